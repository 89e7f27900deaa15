"""What a seed decides about a simulated run, as values that can be printed, narrowed and typed in again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from engine.sim.faults import known, swarm
from engine.sim.schedule import Policy


@dataclass(frozen=True, slots=True)
class Options:
    """One run. Everything in it follows from `seed` unless a person narrowed it. Times in seconds or ms."""

    seed: int
    seconds: float
    """Simulated seconds with faults, before those in which all must come to agree."""
    schedule: Policy = "fifo"
    rates: dict[str, float] = field(default_factory=dict)
    """Rates of the faults that are on, by name."""
    latency_ms: float = 2.0
    """Mean time of one way between engine and venue."""
    commit_ms: float = 0.5
    """Mean time of a commit."""
    think_ms: float = 1.0
    """Mean time that a strategy needs for an answer."""
    quote_ms: float = 200.0
    """Mean time between two quotes of an instrument."""
    packets: bool = False
    """Quotes of all instruments come together, in one batch, as in the snapshots of some brokers."""
    crash_bias: float = 0.0
    """Share of the crashes that wait for a moment with something in flight."""
    command_ms: float = 4_000.0
    """Mean time between two commands of the operator's everyday work."""
    order_ms: float = 1_500.0
    """Mean time between two orders of the strategy that trades at random."""
    skip_idle: bool = True
    """Rounds of the 10 ms loops that could find nothing new are left out, as in every run in virtual time."""
    screen: bool = False
    """A screen looks on; making its snapshots takes time."""
    sentinel: str = ""
    """Policy of the sentinel that watches over the engine; empty: none does."""
    sentinel_after: float = 2.0
    """Seconds of silence after which it acts."""
    narrowed: tuple[str, ...] = ()
    """Arguments that narrowed it, as typed."""

    @classmethod
    def draw(cls, seed: int, seconds: float = 60.0, schedule: Policy = "fifo") -> Options:
        """The run of this seed."""
        rng = random.Random(f"options {seed}")
        return cls(
            seed=seed,
            seconds=seconds,
            schedule=schedule,
            rates=swarm(rng),
            latency_ms=round(10 ** rng.uniform(-0.5, 2.0), 3),
            commit_ms=round(10 ** rng.uniform(-1.0, 1.5), 3),
            think_ms=round(10 ** rng.uniform(-1.0, 1.7), 3),
            quote_ms=rng.choice((100.0, 200.0, 500.0)),  # as recorded: index futures 9 a second, gold 2
            crash_bias=rng.choice((0.0, 0.5, 0.9)),
            command_ms=round(10 ** rng.uniform(2.7, 4.0)),
            order_ms=round(10 ** rng.uniform(2.0, 3.5)),  # more a second cost more and find no more
            skip_idle=rng.random() < 0.95,
            screen=rng.random() < 0.1,
            packets=rng.random() < 0.5,
        )

    def narrow(
        self, only: Sequence[str] | None = None, without: Sequence[str] = (), seconds: float | None = None
    ) -> Options:
        """The same run with fewer faults or a shorter time. Raises `ValueError` for an unknown fault."""
        rates, words = dict(self.rates), list(self.narrowed)
        if only is not None:
            keep = known(only)
            rates = {name: rate for name, rate in rates.items() if name in keep}
            words.append(f"--only-faults {','.join(keep) or 'none'}")
        if without:
            drop = known(without)
            rates = {name: rate for name, rate in rates.items() if name not in drop}
            words.append(f"--without {','.join(drop)}")
        if seconds is not None and seconds != self.seconds:
            words.append(f"--seconds {seconds:g}")
        return replace(self, rates=rates, narrowed=tuple(words), seconds=seconds or self.seconds)

    def guarded(self, policy: str) -> Options:
        """The same run with a sentinel of this policy; it dies and stalls as often as the engine stalls."""
        return replace(self, sentinel=policy, narrowed=(*self.narrowed, f"--sentinel {policy}"))

    def rate(self, name: str) -> float:
        return self.rates.get(name, 0.0)

    def command(self) -> str:
        """What to type to see the run again."""
        words = ["python -m tests.sim", f"--seed {self.seed}"]
        if self.schedule != "fifo":
            words.append(f"--schedule {self.schedule}")
        if not any(w.startswith("--seconds") for w in self.narrowed):
            words.append(f"--seconds {self.seconds:g}")
        return " ".join([*words, *self.narrowed])

    def text(self) -> str:
        """For a person: what is going on in this run."""
        lines = [
            f"seed {self.seed}, {self.seconds:g} s with faults, schedule {self.schedule}",
            f"  line {self.latency_ms:g} ms, commit {self.commit_ms:g} ms, strategy {self.think_ms:g} ms, "
            f"quotes every {self.quote_ms:g} ms{' in packets' if self.packets else ''}, "
            f"orders every {self.order_ms:g} ms, commands every {self.command_ms:g} ms, "
            f"crash bias {self.crash_bias:g}, "
            f"{'idle rounds left out' if self.skip_idle else 'every round of the risk loop'}",
            "  faults: " + (", ".join(f"{n} {r:g}" for n, r in self.rates.items()) or "none"),
        ]
        return "\n".join(lines)
