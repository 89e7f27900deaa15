"""Shadow trading: a real broker's market data and figures, and orders that never leave this process."""

from brokers.shadow.adapter import ShadowAdapter, shadow_connections
from brokers.shadow.exchange import ShadowExchange
from brokers.shadow.lookonly import LookOnly

__all__ = ["LookOnly", "ShadowAdapter", "ShadowExchange", "shadow_connections"]
