"""The simulated exchange: matching, queues, sessions, halts, margin, faults. The venue of paper trading."""

from brokers.exchange.config import AccountConfig, Bands, ExchangeConfig, FaultConfig
from brokers.exchange.exchange import Audit, Exchange
from brokers.exchange.session import Session

__all__ = ["AccountConfig", "Audit", "Bands", "Exchange", "ExchangeConfig", "FaultConfig", "Session"]
