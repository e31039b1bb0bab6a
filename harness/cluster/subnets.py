"""A free /24 for each run in 198.18.0.0/15, the range set aside for tests (RFC 2544), so that runs never collide."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from quorate.harness.cluster import ledger
from quorate.harness.cluster.ledger import Ledger
from quorate.harness.cluster.state import state_directory
from quorate.harness.core.outcome import Broken

RANGE = ipaddress.IPv4Network("198.18.0.0/15")
HOST_OCTET = 254  # the host's own end; nodes count from 1, so a subnet holds 253
_ROUTES = Path("/proc/net/route")
_threads = threading.Lock()  # the file lock below separates processes, not threads


def claim(book: Ledger, *, refused: Iterable[ipaddress.IPv4Network] = ()) -> ipaddress.IPv4Network:
    """Lock a /24 that no route of this host and no other run uses, and record it.

    `refused` are subnets that turned out not to work. Raises `Broken` if none of the 512 is left.
    """
    taken = [*routes(), *refused]
    folder = _folder()
    with _alone(folder):
        for subnet in candidates(book.run_id):
            path = folder / str(subnet.network_address)
            holder = _holder(path)
            if any(subnet.overlaps(other) for other in taken) or (holder and ledger.exists(holder)):
                continue
            book.record(ledger.SUBNET, str(subnet.network_address))
            path.write_text(book.run_id)
            return subnet
    raise Broken(
        "no-subnet", f"all /24 networks in {RANGE} are in use; run `quorate clean` or end other runs"
    )


def release(network_address: str, run_id: str) -> None:
    """Give a subnet back, if it is that run's."""
    path = _folder() / network_address
    if _holder(path) == run_id:
        path.unlink(missing_ok=True)


def candidates(run_id: str) -> Iterator[ipaddress.IPv4Network]:
    """Iterate over all /24 networks of the range, each run from another start so that runs seldom meet."""
    count = 1 << (24 - RANGE.prefixlen)
    first = zlib.crc32(run_id.encode()) % count
    base = int(RANGE.network_address)
    for step in range(count):
        yield ipaddress.IPv4Network((base + ((first + step) % count) * 256, 24))


def routes(path: Path = _ROUTES) -> list[ipaddress.IPv4Network]:
    """Return the networks this host has routes to, other than the default route."""
    try:
        lines = path.read_text().splitlines()[1:]
    except OSError:  # not Linux: whoever makes the network will refuse an overlap
        return []
    found = (parse_route(line) for line in lines)
    return [network for network in found if network is not None and network.prefixlen > 0]


def parse_route(line: str) -> ipaddress.IPv4Network | None:
    """Parse one line of /proc/net/route: addresses are hexadecimal in the machine's byte order."""
    fields = line.split()
    try:
        address, mask = (int.from_bytes(bytes.fromhex(field)[::-1]) for field in (fields[1], fields[7]))
        return ipaddress.IPv4Network((address, mask.bit_count()))
    except (IndexError, ValueError):
        return None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with _threads, (folder / ".lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def _holder(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _folder() -> Path:
    path = state_directory() / "subnets"
    path.mkdir(mode=0o700, exist_ok=True)
    return path
