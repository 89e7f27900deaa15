"""A gateway that speaks the TWS socket protocol over the simulated exchange, for any IB client.

In a test, on the test's own loop (the feed is the test itself):

    gateway = make_gateway(RealClock(asyncio.get_running_loop()), seed=7)
    gateway.start()
    listener, port = await gateway.listen()              # a free port on 127.0.0.1
    gateway.on_quote(Quote("ES", gateway.clock.now(), 20_000, 10, 20_001, 10))   # ticks and lots
    …
    listener.close(); await gateway.close()

On a thread of its own, as blocking clients need it:

    with GatewayThread(lambda clock: make_gateway(clock, config=TwsConfig(read_only=True))) as venue:
        connect("127.0.0.1", venue.port)
        venue.call(lambda gateway: gateway.lose_server())

As a process: `python -m brokers.loopback.tws --port 0` (or `breakwater venue tws`) writes one line of JSON
with the port to standard output when it listens; with `--directory` it survives kill -9, and with `--control`
it takes commands on standard input (`control`): `script.drop execution skip=1`, `lose_server`, `help`.

What goes wrong is said in three places:

    gateway.script      the wire, by message and count: drop, duplicate, delay, overtake, hold and release,
                        shuffle, error_before, cut_at; and for requests ignore (it hangs), refuse, cut_on
    gateway             at this moment: error, lose_server (1100, 2110), restore_server (1102, 1101), farm,
                        drop_clients (FIN, RST), go_silent, drip, reissue_ids, restart, end_market_data,
                        manual_order, correct, bust
    gateway.exchange    the venue: set_state, set_limits, cancel_order, manual_trade, drop_link (shows as
                        1100), and faults.arm("reject_new" … "twin_replace" … "fill_after_cancel" …); those
                        that lose reports on their way belong to `script` instead

    gateway.script.cut_on("place_order", "rst", "after")    # accepted, and the line dies before any answer
    gateway.script.ignore("executions")                     # the request hangs
    gateway.exchange.faults.arm("twin_replace")             # two live orders under one order id

`gateway.problems` lists what clients sent and the layouts do not explain to the last field: a test ends with
`assert not gateway.problems`. `messages` names all messages; what is not there is refused with error 320.
Nothing here was ever compared with a real TWS: the layouts come from three client implementations. What no
source told is assumed: a bust is the next revision of its execution with size 0; an order that is kept back
(transmit off) shows as PendingSubmit; the exits of a bracket are one group of OCA type 3; an order that
expires is Cancelled without 202; a fill is told as execDetails, openOrder, orderStatus, commissionReport. A
change of the time in force is refused with 105, but for the one to IOC.
"""

from brokers.loopback.tws.build import GatewayThread, make_gateway
from brokers.loopback.tws.config import TwsConfig
from brokers.loopback.tws.gateway import Gateway
from brokers.loopback.tws.script import Script

__all__ = ["Gateway", "GatewayThread", "Script", "TwsConfig", "make_gateway"]
