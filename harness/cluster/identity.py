"""Names of runs, and who owns one: the harness process that a sweep must find dead before it removes anything."""

from __future__ import annotations

import os
import platform
import random
import time
from pathlib import Path

import msgspec

from quorate.harness.cluster import processes

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32: sorts as the numbers do, no i, l, o, u
_EPOCH_S = 1_704_067_200  # 2024-01-01 UTC: six digits of seconds last until 2058
_SECONDS_DIGITS = 6
_RANDOM_DIGITS = 4


class Owner(msgspec.Struct, frozen=True):
    """The harness process behind a run; `start` is in clock ticks since boot, so that a reused pid is another owner."""

    machine: str
    boot: str
    pid: int
    start: int


def new_run_id(rng: random.Random | None = None) -> str:
    """Return a new run id: `q`, six digits of time and four of chance; sorts by time and fits in interface names.

    The chance comes from the operating system unless `rng` is given: two runs with one seed are two runs.
    """
    chance = rng.getrandbits(20) if rng is not None else int.from_bytes(os.urandom(3)) & 0xFFFFF
    seconds = int(time.time()) - _EPOCH_S
    return "q" + _digits(seconds, _SECONDS_DIGITS) + _digits(chance, _RANDOM_DIGITS)


def is_run_id(text: str) -> bool:
    """Return whether this is the form of a run id, before it becomes part of a path or a command."""
    return (
        len(text) == 1 + _SECONDS_DIGITS + _RANDOM_DIGITS
        and text[0] == "q"
        and all(character in _ALPHABET for character in text[1:])
    )


def this_owner() -> Owner:
    """Return the identity of this harness process."""
    pid = os.getpid()
    return Owner(machine=machine_id(), boot=boot_id(), pid=pid, start=processes.start_ticks(pid) or 0)


def is_dead(owner: Owner) -> bool | None:
    """Return whether that process is gone; None where this machine cannot know (it ran on another one)."""
    if owner.machine != machine_id():
        return None
    if owner.boot != boot_id():
        return True
    return processes.start_ticks(owner.pid) != owner.start


def machine_id() -> str:
    """Return a name of this machine that survives a reboot."""
    try:
        return Path("/etc/machine-id").read_text().strip() or platform.node()
    except OSError:
        return platform.node()


def boot_id() -> str:
    """Return a name of this boot of the machine, empty where the system has none to offer."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _digits(number: int, width: int) -> str:
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 32)
        text = _ALPHABET[digit] + text
    return text
