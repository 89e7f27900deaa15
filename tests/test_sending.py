"""Nothing but the gate and the journal can make the proofs that the wire asks for."""

import pytest

from engine.sending import Approved, Recorded, Seal, take_seal


def test_forged_seals_are_refused() -> None:
    with pytest.raises(PermissionError):
        Approved(None, Seal("approve"))  # type: ignore[arg-type]
    with pytest.raises(PermissionError):
        Recorded(None, 1, Seal("record"))  # type: ignore[arg-type]


def test_a_seal_has_one_owner() -> None:
    take_seal("record", "engine.journal")
    with pytest.raises(PermissionError):
        take_seal("record", "somebody.else")
