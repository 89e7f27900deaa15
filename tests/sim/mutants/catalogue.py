"""All planted bugs."""

from __future__ import annotations

from typing import Final

from tests.sim.mutants.executions import EXECUTIONS
from tests.sim.mutants.orders import ORDERS
from tests.sim.mutants.planting import Mutant
from tests.sim.mutants.recovery import RECOVERY
from tests.sim.mutants.safety import SAFETY

MUTANTS: Final[tuple[Mutant, ...]] = (*EXECUTIONS, *ORDERS, *SAFETY, *RECOVERY)
