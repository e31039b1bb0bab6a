"""What a local cluster asks of the kernel, tried in the network namespace of this very process.

Started as `python -m quorate.harness.cluster.trials` in a namespace that ends with it (harness.cluster.doctor); prints
one JSON object: the reason for each trial that failed, "" for the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.cluster import links
from quorate.harness.cluster.network import rules
from quorate.harness.cluster.network.nftables import Firewall
from quorate.harness.core.outcome import Broken

_HERE: Final = "/proc/self/ns/net"
_STRANGER: Final = "192.0.2.1"  # a documentation address (RFC 5737)


def wires() -> None:
    """Make a bridge and a wire to it."""
    links.add_bridge("b1")
    links.add_veth("v1", "v2", Path(_HERE))
    links.attach("v1", "b1")


def cuts() -> None:
    """Drop packets from one address."""
    Firewall(_HERE).put(rules.cut([_STRANGER]))


def losses() -> None:
    """Drop some packets by chance."""
    Firewall(_HERE).put(rules.loss([_STRANGER], 0.5))


def queues() -> None:
    """Hand packets from one address to a queue."""
    Firewall(_HERE).hold(rules.hold([_STRANGER], queue=7, mark=1))


TRIALS: Final[dict[str, Callable[[], None]]] = {
    "wires": wires,
    "cuts": cuts,
    "losses": losses,
    "queues": queues,
}


def main() -> None:
    """Try everything."""
    reasons = {}
    for name, trial in TRIALS.items():
        try:
            trial()
        except OSError as error:
            reasons[name] = error.strerror or str(error)
        except Broken as error:
            reasons[name] = error.text
        else:
            reasons[name] = ""
    sys.stdout.buffer.write(msgspec.json.encode(reasons))


if __name__ == "__main__":
    main()
