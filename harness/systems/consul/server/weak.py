"""What Consul promises of its weaker consistency modes (docs/systems/consul.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quorate.harness.core.weak import WeakReads

_LINK: Final = "https://developer.hashicorp.com/consul/api-docs/features/consistency"
WEAK: Final[Mapping[str, WeakReads]] = {
    "default": WeakReads(
        mode="reads=default",
        says="a leader that was deposed and does not know it yet may answer reads with stale values for a moment",
        link=_LINK,
    ),
    "stale": WeakReads(
        mode="reads=stale",
        says="any server answers from what it has applied, with no upper limit on staleness",
        link=_LINK,
    ),
}
