"""Which process listens at a port within a container: what a container starts first may be a shell or an init."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_LISTEN: Final = "0A"
_ESTABLISHED: Final = "01"
_TABLES: Final = ("tcp", "tcp6")


def listener_of(family: Sequence[int], port: int) -> int | None:
    """Return who of these processes, all of one network namespace, listens at the port."""
    if not family:
        return None
    sockets = {
        f"socket:[{one[9]}]" for one in _rows(family[0]) if one[3] == _LISTEN and _port(one[1]) == port
    }
    for pid in family:
        with contextlib.suppress(OSError):
            for opened in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(opened.readlink()) in sockets:
                        return pid
    return None


def talks_to(pid: int, addresses: Sequence[str]) -> bool:
    """Whether the network namespace of this process has a connection with one of these IPv4 addresses."""
    wanted = set(addresses)
    return any(row[3] == _ESTABLISHED and _ipv4(row[2]) in wanted for row in _rows(pid))


def _rows(pid: int) -> list[list[str]]:
    found = []
    for table in _TABLES:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
            found += [line.split() for line in lines]
    return found


def _port(text: str) -> int:
    return int(text.rpartition(":")[2], 16)


def _ipv4(text: str) -> str:
    """Read the kernel's hexadecimal address; of an IPv6 one the last four bytes, where IPv4 is mapped."""
    number = text.partition(":")[0][-8:]
    return ".".join(str(int(number[at : at + 2], 16)) for at in (6, 4, 2, 0))
