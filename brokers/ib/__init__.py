"""Interactive Brokers, over TWS or IB Gateway.

`library` picks the client library, `thread` and `wire` run it on a thread of its own, `tap` takes its raw
callbacks (`raw`), `translate` and `executions` turn them into facts, `orders` sends, `reads` asks, `confirm`
settles what a callback left open, `adapter` is what the engine sees.
"""

from brokers.ib.adapter import IbAdapter
from brokers.ib.config import IbConfig, IbContract
from brokers.ib.feed import IbFeed

__all__ = ["IbAdapter", "IbConfig", "IbContract", "IbFeed"]
