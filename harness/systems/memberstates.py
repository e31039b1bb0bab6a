"""The state that a member gave at the end of a run, read back from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core import safely
from quorate.harness.core.system import NodeDump

_BYTES_MAX: Final = 256 << 20


def dump_of(node: Path) -> NodeDump | None:
    """Read the state of the node with this folder; None where it gave none."""
    try:
        dump = msgspec.json.decode(safely.contents(node / "state.json", _BYTES_MAX), type=NodeDump)
    except (OSError, msgspec.DecodeError):
        return None
    return dump if dump.error is None else None
