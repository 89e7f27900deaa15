"""What is asked for all the time, which alarms stand, is what the list of all of them says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.alerts import AlertBook
from engine.model import NS

CODES = ("spread", "stale_data", "manual_trade", "foreign_fill", "rejected", "link_down")
"""What comes and goes, what shares a cause with others, what merely happens, and what lasts."""
SYMBOLS = ("", "ES")
STEPS = st.one_of(
    st.tuples(
        st.just("raise"),
        st.sampled_from(CODES),
        st.sampled_from(SYMBOLS),
        st.sampled_from(("info", "warning", "critical")),
        st.integers(0, 90),
    ),
    st.tuples(st.just("clear"), st.sampled_from(CODES), st.sampled_from(SYMBOLS)),
    st.tuples(st.just("know"), st.one_of(st.none(), st.integers(1, 20))),
    st.tuples(st.just("restart")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40), st.integers(2, 8))
def test_what_stands_is_what_the_list_shows_as_not_over(steps: list[tuple[object, ...]], keep: int) -> None:
    book, now = AlertBook(keep), NS
    for step in steps:
        match step:
            case (
                "raise",
                str(code),
                str(symbol),
                "info" | "warning" | "critical" as severity,
                int(after),
            ):
                now += after * NS
                alert = book.make(now, severity, code, f"{code} now", symbol=symbol, cause="the same")
                if alert is not None:
                    book.add(alert)
            case ("clear", str(code), str(symbol)):
                book.clear(code, symbol)
            case ("know", int() | None as number):
                book.acknowledge(number)
            case _:
                image, book = book.image(), AlertBook(keep)
                book.put_back(image)
        rows = book.rows(limit=1_000)
        for code in CODES:
            for symbol in SYMBOLS:
                shown = {r.id for r in rows if (r.code, r.symbol) == (code, symbol) and not r.cleared}
                good = {r.id for r in rows if r.severity == "info"}
                assert set(book.standing(code, symbol)) == shown - good
