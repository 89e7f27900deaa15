"""Benchmarks of the whole engine: `make bench`, or `python -m tests.bench [--quick] [SECTION ...]`.

How to read them
----------------
Machines are noisy, shared and different, so a figure by itself says little. Every figure that matters stands
beside a control or a floor that was measured in the same seconds of the same run, and the ratio of the two
is what to compare between runs and machines.

* **risk** – period of the 10 ms risk loop of a real engine in its own process (synthetic feed, paper
  exchange, journal on this disk): alone, with a sample strategy, with strategies that go bad in the middle of
  the window, and with the screen in the same process on a terminal of 120×40. *control* is the same ticker
  with nothing to do, alone in a process of its own, in the same seconds: what the machine itself allows.
  `ratio` is p99.9 / control p99.9. The target is p99.9 ≤ 20 ms. A window of 15 s has 1,500 rounds, so p99.9
  is the second worst of them; a ratio near 1 with a high p99.9 is the machine's doing. `kill` is the
  verdict of the kill switch at the end of the window.
* **orders** – from a strategy's callback (its own process) to the adapter. *floor* is one append of the same
  number of bytes and one fdatasync on the same disk, taken in turns with the orders. `added` is the
  difference of the medians: what the engine, the journal and the hop between processes cost beyond the sync
  that durability demands. *inline* leaves out processes, threads and the sync: the engine's own work.
  Throughput keeps 64 orders in flight and is held against one sync per order.
* **fills** – executions with positions, profit, risk and journal, alternating buys and sells; the ratio of
  the last thousand to the first says whether it is flat.
* **scaling** – cost of one order, one risk round and one snapshot with 10, 1,000 and 10,000 orders working.
* **journal** – commits one by one and in groups, beside the floor for the same bytes.
* **replay** – records a second of a full-speed replay, of a generated file and, where it is found
  (`BREAKWATER_DATA` or ../shared/data), of a recorded day of gold.

* **screen** – the desk without an engine, 5,000 orders on 200×50: CPU and bytes of a frame with 50 changed
  cells (≤ 10 ms, ≤ 8 KB), from a key's byte to its sign on a real terminal under 2,000 updates a second (p50
  ≤ 20 ms, p95 ≤ 100 ms), from the start of the process to the footer (≤ 0.6 s), memory.

The venue of orders, fills and scaling acknowledges at once and does nothing else (`tests.bench.venue`), so
that the engine is measured and not the simulated exchange.

The last line of the output is one JSON object with all figures: times in µs unless their name says otherwise.
`--quick` takes less than 40 s and is there to see that the benchmarks run; its figures mean little.
"""
