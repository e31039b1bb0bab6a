"""The platform that servers run on, which need not be this host's: an engine may live in a virtual machine.

It travels in a context variable, as who asks for a server knows it and each way of getting one needs it.
"""

from __future__ import annotations

import contextlib
import platform as host_platform
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

import msgspec

_ARCHES: Final = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i686": "386",
    "i386": "386",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


class Platform(msgspec.Struct, frozen=True):
    """An operating system and an architecture by the names that Go and Docker use: linux, amd64."""

    os: str
    arch: str

    def __str__(self) -> str:
        return f"{self.os}/{self.arch}"


def architecture(name: str) -> str:
    """Return Go's name for what a kernel or an engine calls a machine: `aarch64` is arm64."""
    return _ARCHES.get(name.lower(), name.lower())


def here() -> Platform:
    """Return this host's."""
    return Platform(host_platform.system().lower(), architecture(host_platform.machine()))


_wanted: ContextVar[Platform | None] = ContextVar("platform", default=None)


def wanted() -> Platform:
    """Return the platform that servers are wanted for: this host's unless `wanting` says otherwise."""
    return _wanted.get() or here()


@contextlib.contextmanager
def wanting(target: Platform | None) -> Iterator[None]:
    """Let servers that are resolved inside be for this platform; None: for this host's."""
    token = _wanted.set(target)
    try:
        yield
    finally:
        _wanted.reset(token)
