"""Which policy holds for a run, and whether its venue outlives the engine so that anything can be done."""

from __future__ import annotations

from app import ibrun
from app.options import RunOptions
from app.settings import Settings
from brokers.loopback.wire import Address
from engine.config_sentinel import Policy


def elsewhere(settings: Settings, options: RunOptions) -> bool:
    """Whether market data, and outside of the shadow orders too, come and go by a socket."""
    return ibrun.is_ib(options.feed) or bool(exchange_addresses(settings, options))


def outlives(settings: Settings, options: RunOptions) -> bool:
    """Whether orders rest somewhere that outlives the engine's process. A shadow's never do: whoever watches
    over it must not touch the real account."""
    return elsewhere(settings, options) and settings.stage != "shadow"


def policy_of(settings: Settings, options: RunOptions) -> Policy:
    """The policy of a run. In virtual time there is nobody to watch."""
    if options.virtual:
        return "off"
    if settings.sentinel.policy is not None:
        return settings.sentinel.policy
    return "alert" if outlives(settings, options) else "off"


def cannot_act(settings: Settings, options: RunOptions) -> str:
    """Why the sentinel of this run can only tell; empty where it can act."""
    if not outlives(settings, options):
        return "the exchange lives in the engine's process and ends with it: this sentinel can only alert"
    return ""


def address_of(feed: str) -> Address | None:
    """Where the exchange of a feed spec listens; None where it is no exchange."""
    kind, _, where = feed.partition(":")
    return Address.parse(where) if kind == "exchange" and where else None


def exchange_addresses(settings: Settings, options: RunOptions) -> tuple[Address, ...]:
    """`exchange:ADDRESS`: market data and orders go to the exchange that listens there, and on the addresses
    of further connections. Empty for every other feed."""
    first = address_of(options.feed)
    if first is None:
        return ()
    named = settings.connections
    return tuple(Address.parse(c.address) if c.address else first for c in named) or (first,)
