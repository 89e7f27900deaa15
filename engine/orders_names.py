"""Orders by the ids that the broker gives them. Ids come again, over days and after a broker's restart."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.orders_record import OrderRecord


class BrokerNames:
    """All orders in memory that the broker calls, or once called, by an id."""

    def __init__(self) -> None:
        self._bearers: dict[str, list[OrderRecord]] = {}
        """By id, in the order of their creation."""
        self._ambiguous: set[str] = set()
        """Ids by which the broker has also called something that it does not know by our id."""

    def bind(self, broker_id: str, record: OrderRecord) -> None:
        """The broker calls this order so."""
        bearers = self._bearers.get(broker_id)
        if bearers is None:
            self._bearers[broker_id] = [record]
        elif record in bearers:
            return
        else:
            bearers.append(record)
            bearers.sort(key=lambda r: r.seq)
        record.brokers.append(broker_id)

    def doubt(self, broker_id: str) -> None:
        """The broker spoke of an order of ours by this id alone: it may have meant another one."""
        self._ambiguous.add(broker_id)

    def drop(self, record: OrderRecord) -> None:
        """The order leaves memory."""
        for broker_id in record.brokers:
            bearers = self._bearers[broker_id]
            bearers.remove(record)
            if not bearers:
                del self._bearers[broker_id]
                self._ambiguous.discard(broker_id)

    def newest(self, broker_id: str) -> OrderRecord | None:
        """The order that got the id last; None where it is not known."""
        bearers = self._bearers.get(broker_id)
        return bearers[-1] if bearers else None

    def find(self, broker_id: str, fits: Callable[[OrderRecord], bool]) -> OrderRecord | None:
        """The newest open order with that id that fits, else the newest closed one; None where none does."""
        found = [r for r in reversed(self._bearers.get(broker_id, ())) if fits(r)]
        return next((r for r in found if not r.life.is_closed), found[0] if found else None)

    def is_shared(self, broker_id: str) -> bool:
        """Whether the id was, or may have been, given out again while an order that had it is in memory."""
        return broker_id in self._ambiguous or len(self._bearers.get(broker_id, ())) > 1

    def is_free(self, broker_id: str, record: OrderRecord) -> bool:
        """Whether all others that had the id are orders of ours that are over: a request that names `record`
        by it meets no other order that lives."""
        others = (r for r in self._bearers.get(broker_id, ()) if r is not record)
        return broker_id not in self._ambiguous and all(r.life.is_closed and not r.foreign for r in others)

    def doubtful(self) -> frozenset[str]:
        """The ids of `doubt`."""
        return frozenset(self._ambiguous)

    def put_back(self, records: Iterable[OrderRecord], doubtful: Iterable[str]) -> None:
        """Enters orders, in the order of their creation, under the ids that they have."""
        self._ambiguous = set(doubtful)
        for record in records:
            for broker_id in record.brokers:
                self._bearers.setdefault(broker_id, []).append(record)

    def all(self) -> list[OrderRecord]:
        """Every order that has an id, as often as it has one."""
        return [record for bearers in self._bearers.values() for record in bearers]
