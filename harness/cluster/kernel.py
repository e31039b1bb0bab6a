"""The few Linux calls that Python 3.11 does not offer: namespaces and mounts, each with its error as OSError."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2

T = TypeVar("T")
Work = Callable[[], None]

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces (unshare(2))."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, flags: int) -> None:
    """Move the calling thread into the namespace of an open file (setns(2))."""
    _check(_libc.setns(descriptor, flags), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Mount a file system or bind a path (mount(2))."""
    _check(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
        f"mount {target}",
    )


def unmount(target: str) -> None:
    """Unmount a path at once, even if it is in use (umount2(2), MNT_DETACH)."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def unmount_now(target: str) -> None:
    """Unmount a path, which fails while anybody uses it (umount2(2), no flags)."""
    _check(_libc.umount2(target.encode(), 0), f"umount {target}")


def make_netns(path: Path, inside: Callable[[], T], timeout_s: float = 10.0) -> T:
    """Make a network namespace that lives at `path` until it is unmounted, and run `inside` in it."""

    def enter() -> T:
        path.touch()
        unshare(CLONE_NEWNET)
        mount("/proc/thread-self/ns/net", str(path), None, MS_BIND)
        return inside()

    return _in_thread(enter, timeout_s)


def in_netns(path: str, inside: Callable[[], T], timeout_s: float = 10.0) -> T:
    """Run `inside` on a separate thread in the network namespace at `path`; what it spawns is there too."""

    def enter() -> T:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(descriptor, CLONE_NEWNET)
        finally:
            os.close(descriptor)
        return inside()

    return _in_thread(enter, timeout_s)


def _in_thread(work: Callable[[], T], timeout_s: float) -> T:
    # A separate thread: one that changed its namespace must never go back to a pool.
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            errors.append(error)

    thread = threading.Thread(target=body, name="netns", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"work in a network namespace took longer than {timeout_s} s")
    return results[0]


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
