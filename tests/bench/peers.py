"""Section `peers`: the order path of others, for scale, where `make bench-peers` has installed them.

Each is asked in its own environment and process, with a strategy that sends one order in each callback: from
the callback to the order at the gateway (vnpy: `send_order` of the gateway; NautilusTrader: `submit_order`
back, with the order at the simulated exchange's client and its first event). Both store nothing; ours is the
line "order path" of the section `orders`, with a record on disk before the order leaves.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.bench.figures import Figures, table

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
PEERS = ("vnpy", "nautilus")
ORDERS = 2_000


def run(quick: bool) -> Figures:
    found: Figures = {"installed": int(PYTHON.exists())}
    if not PYTHON.exists():
        print("\nPeers are not measured: `make bench-peers` installs them in an environment of their own")
        return found
    for name in PEERS:
        one = _ask(name, 50 if quick else ORDERS)
        if one is not None:
            found[one.pop("name")] = one
    rows = [
        (name, one["orders"], one["p50_us"], one["p99_us"])
        for name, one in found.items()
        if name != "installed"
    ]
    table("Peers, callback → gateway, nothing stored", ("", "orders", "p50 µs", "p99 µs"), rows)
    return found


def _ask(name: str, orders: int) -> Figures | None:
    """What a peer measures of itself; None, with the reason printed, where it cannot."""
    script = Path(__file__).with_name(f"peer_{name}.py")
    try:
        done = subprocess.run(
            [str(PYTHON), str(script), str(orders)], capture_output=True, text=True, timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"  {name} is left out: {error}")
        return None
    line = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("{")), "")
    if done.returncode != 0 or not line:
        print(f"  {name} is left out: {(done.stderr or done.stdout).strip()[-300:]}")
        return None
    return dict(json.loads(line))
