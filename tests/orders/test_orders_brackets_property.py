"""Whatever happens to a bracket that the engine works, its children never hold more than is open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from orders_kit import S, order

from engine.lifecycle import born, evolve
from engine.lifecycle_types import OrderLife
from engine.model import OrderType, Side
from engine.orders_groups import CancelLeg, DropLeg, Leg, Release, Renew, Resize, bracket_actions

QTY = 10


def made(oid: str) -> Leg:
    kind = OrderType.STOP if oid.startswith("sl") else OrderType.LIMIT
    return Leg(order=order(oid, QTY, side=Side.SELL, parent="e", oco="g", type=kind), life=None)


def status(life: OrderLife, cum: int, *, gone: bool = False) -> OrderLife:
    if cum >= life.qty:
        return evolve(life, cum=cum, status=S.FILLED)
    if gone or life.status is S.CANCELED:
        return evolve(life, cum=cum, status=S.CANCELED)
    return evolve(life, cum=cum, status=S.PARTIAL_FILL if cum else S.WORKING)


class Model:
    """A venue that does at once what it is asked, between surprises."""

    def __init__(self) -> None:
        self.parent = evolve(born(order("e", QTY)), status=S.WORKING)
        self.legs = [made("tp0"), made("sl0")]
        self.elsewhere = 0
        self.unwanted: set[str] = set()

    @property
    def cap(self) -> int:
        closed = sum(c.life.cum for c in self.legs if c.life is not None)
        return max(0, self.parent.cum - closed - self.elsewhere)

    def actions(self) -> tuple[object, ...]:
        renewable = {c.order.id for c in self.legs if c.ended} - self.unwanted
        return bracket_actions(self.parent, self.legs, self.cap, renewable)

    def settle(self) -> None:
        for _ in range(5):
            todo = self.actions()
            for action in todo:
                self.carry_out(action)
            if not any(isinstance(a, Release | Renew | Resize | CancelLeg | DropLeg) for a in todo):
                return
        raise AssertionError(f"it does not come to rest: {self.actions()}")

    def carry_out(self, action: object) -> None:
        match action:
            case Release(order_id=oid, qty=qty):
                self.put(oid, status(evolve(born(self.leg(oid).order), qty=qty), 0))
            case Renew(order_id=oid, qty=qty):
                again = made(f"{oid[:2]}{len(self.legs)}")
                self.legs.append(again)
                self.put(again.order.id, status(evolve(born(again.order), qty=qty), 0))
            case Resize(order_id=oid, qty=qty):
                life = self.leg(oid).life
                assert life is not None
                self.put(oid, status(evolve(life, qty=qty), life.cum))
            case CancelLeg(order_id=oid) | DropLeg(order_id=oid):
                leg = self.leg(oid)
                life = leg.life or born(leg.order)
                self.put(oid, evolve(life, status=S.CANCELED if life.cum < life.qty else S.FILLED))

    def leg(self, oid: str) -> Leg:
        return next(c for c in self.legs if c.order.id == oid)

    def put(self, oid: str, life: OrderLife) -> None:
        self.legs = [Leg(order=c.order, life=life) if c.order.id == oid else c for c in self.legs]

    def check(self) -> None:
        closed = sum(c.life.cum for c in self.legs if c.life is not None)
        lots = max(0, self.parent.cum - closed - self.elsewhere)
        for kind in ("tp", "sl"):
            mine = [c for c in self.legs if c.order.id.startswith(kind)]
            live = sum(c.life.leaves for c in mine if c.life is not None)
            if any(c.order.id in self.unwanted for c in mine):
                assert live in (0, lots)
            else:
                assert live == lots, (kind, self.legs)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["entry", "tp", "sl", "bust", "end", "unwanted", "elsewhere"]),
            st.integers(1, 4),
        ),
        max_size=25,
    )
)
def test_children_hold_exactly_what_is_open(events: list[tuple[str, int]]) -> None:
    model = Model()
    for what, lots in events:
        parent = model.parent
        live = [c for c in model.legs if c.life is not None and not c.ended and c.order.id.startswith(what)]
        if what == "entry" and not parent.is_closed:
            model.parent = status(parent, min(QTY, parent.cum + lots))
        elif what == "bust":
            model.parent = status(parent, max(0, parent.cum - lots), gone=parent.status is S.CANCELED)
        elif what == "end" and not parent.is_closed:
            model.parent = evolve(parent, status=S.CANCELED)
        elif what == "elsewhere":
            model.elsewhere = min(lots, model.parent.cum)
        elif what == "unwanted":
            for leg in model.legs:
                if leg.life is not None and not leg.ended and leg.order.id.startswith("tp"):
                    model.unwanted.add(leg.order.id)
                    model.put(leg.order.id, evolve(leg.life, status=S.CANCELED))
        elif live:
            life = live[0].life
            assert life is not None
            model.put(live[0].order.id, status(life, min(life.qty, life.cum + lots)))
        model.settle()
        model.check()
