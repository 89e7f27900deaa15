"""Benchmarks of the whole engine: `make bench`, or `python -m tests.bench [--json FILE] [SECTION ...]`.

How to read them
----------------
Machines are noisy, shared and different, so a figure by itself says little. Every figure that matters stands
beside a control or a floor that was measured in the same seconds of the same run, and the ratio of the two
is what to compare between runs and machines.

* **risk** – period of the 10 ms risk loop of a real engine in its own process (journal on this disk): idle;
  with the desk in the same process on a terminal of 120×40 and 150 new orders a second on it (2,100 cells);
  with a strategy that spins; with 50,000 ticks at once from a gateway; with 150 orders a second and commits
  that take 20 ms longer; with all of it. *control* is the same ticker with nothing to do, alone in a process
  of its own, in the same seconds: what the machine itself allows. The target is p99.9 ≤ 20 ms or ≤ 1.25 ×
  control. Three windows of 6 s are taken together, so p99.9 is the second worst round. *less waits for a
  processor*: of each period is taken off what the kernel kept the thread waiting while others had all
  processors (`/proc/…/schedstat`): what is left is the engine's own doing, on however busy a machine. Pauses
  of the collector are CPU of the thread that looks, medians of the windows. `kill`
  is the verdict of the kill switch at the end of the window. **hostile** has longer windows beside every way
  for a strategy to go bad.
* **kill** – from the command to the halt on disk, to the last of 500 cancels handed over (without and with a
  venue's limit of 50 messages a second), to flat, confirmed twice.
* **orders** – from a strategy's callback (its own process) to the adapter. *floor* is one append of the same
  number of bytes and one fdatasync on the same disk, taken in turns with the orders. `added` is the
  difference of the medians: what the engine, the journal and the hop between processes cost beyond the sync
  that durability demands. *inline* leaves out processes, threads and the sync: the engine's own work.
  Throughput keeps 64 orders in flight and is held against one sync per order.
* **stages** – the same durable order by its stages, with a log that is written as in the application: which
  part of its way costs what. p10 is what a quiet moment costs. Played when it is named.
* **fills** – executions with positions, profit, risk and journal, alternating buys and sells; the ratio of
  the last thousand to the first says whether it is flat.
* **scaling** – cost of one order, one risk round, one snapshot and one comparison with the broker, with 10,
  1,000 and 10,000 orders working, and for how long at most a comparison keeps the engine's thread.
* **quotes** – quotes a second from a feed that lags behind, and how long a cancel takes that is asked for
  when 20,000 of them wait.
* **start** – CPU of a headless process until it may trade, from nothing and from 1,000,000 rows; memory.
* **journal** – commits one by one and in groups, beside the floor for the same bytes.
* **replay** – records a second of a full-speed replay, of a generated file and, where it is found
  (`BREAKWATER_DATA` or ../shared/data), of a recorded day of gold.

* **screen** – the desk without an engine, 5,000 orders on 200×50: CPU and bytes of a frame with 50 changed
  cells (≤ 10 ms, ≤ 8 KB), from a key's byte to its sign on a real terminal under 2,000 updates a second (p50
  ≤ 20 ms, p95 ≤ 100 ms), from the start of the process to the footer (≤ 0.6 s), memory.

The venue of orders, fills and scaling acknowledges at once and does nothing else (`tests.bench.venue`), so
that the engine is measured and not the simulated exchange.

* **soak** – resident memory of the real engine over a day of 12,000 orders in virtual time, once all that is
  bounded is full: its slope is what a longer run adds. `--long` plays a week.
* **peers** – the order path of vnpy and NautilusTrader, which store nothing, in an environment of their own
  (`make bench-peers`); left out with a message where that is not there.

At the end stands the table of all targets (`tests.bench.summary`). All figures go as one JSON object to the
file of `--json`, or the last line: times in µs unless their name says otherwise. `guard BASE.json NEW.json`
tells what lost half of its worth between two runs. `--quick` is there to see that the benchmarks run; its
figures mean little."""
