"""Settings of the sentinel: what happens at the broker when the engine stops without a word."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.section import Section

Policy = Literal["off", "alert", "cancel", "flatten"]


class SentinelConfig(Section):
    """The process that watches over the engine and acts for the account when it dies or stands still."""

    policy: Policy | None = None
    """What it does when the engine's heartbeats stop. off: it is not started; alert: it tells, and sends
    nothing; cancel: it cancels every working order of the account, protective stops among them; flatten: it
    cancels all and closes all positions with proof, as a kill does. Default: alert where orders rest at a
    broker or an exchange of its own process, because they outlive the engine; off for the exchange in the
    engine's process, because nothing is left there that could be helped, and it could only tell."""
    after: float = Field(5.0, ge=1, le=600)
    """Seconds without a heartbeat after which it acts, and never less than a hundred rounds of the risk loop
    (risk_period), because an engine that is late is no dead one, and acting ends in a halt."""
    venue_timer: float = Field(0.0, ge=0, le=600)
    """Seconds after which the venue itself cancels all orders of the account unless the engine renews it,
    where the venue has such a switch; 0: not used, because it cancels protective stops too. It is armed only
    while no stop works at the venue."""
    hold: float = Field(600.0, ge=1, le=86_400)
    """Seconds for which it goes on looking at the broker after it has done what it is for, because what the
    engine had sent may arrive late; then it leaves, and the engine stays locked out until it starts again."""
