"""Whether the line to IB may be used: the socket is one thing, TWS's own connection to IB another."""

from __future__ import annotations

import re

from brokers.ib import codes, raw


class LineState:
    """Changes by what is done with the session and by TWS's codes; `reason` says why it is not up."""

    def __init__(self) -> None:
        self.up = False
        self.in_doubt = False
        """TWS has lost IB: the socket stands, and what arrives is true."""
        self.data_lost = False
        """Market data subscriptions are gone and must be made anew."""
        self.port: int | None = None
        """Where TWS has moved to (code 1300)."""
        self.reason = "it was never connected"

    def opening(self) -> None:
        self.in_doubt = False
        self.reason = "it is being opened"

    def came_up(self) -> None:
        self.up, self.in_doubt, self.reason = True, False, ""

    def shut(self) -> None:
        self.up = self.in_doubt = False
        self.reason = self.reason or "it was closed"

    def hear(self, error: raw.Error) -> str | None:
        """What a code changes: "doubt", "back", "gap", "leave"; None for a code that is not about the
        line."""
        code = error.code
        if code in codes.LINK_LOST:
            again = self.in_doubt
            self.up, self.in_doubt = False, True
            self.reason = f"TWS has lost its connection to IB [{code}: {error.text}]"
            return None if again else "doubt"
        if code in (codes.LINK_BACK, codes.LINK_BACK_DATA_LOST):
            self.data_lost = code == codes.LINK_BACK_DATA_LOST
            was = self.in_doubt
            self.in_doubt = False
            self.reason = f"TWS was cut off from IB for a while [{code}: {error.text}]"
            return "back" if was else "gap"
        if code == codes.RATE_EXCEEDED:
            self.reason = f"TWS dropped a message of ours because of its rate [{code}: {error.text}]"
            return "gap"
        if code == codes.PORT_CHANGED:
            found = re.search(r"\b(\d{4,5})\b", error.text)
            self.port = int(found[1]) if found else self.port
            self.reason = f"TWS has moved to another port [{code}: {error.text}]"
            return "leave"
        return None
