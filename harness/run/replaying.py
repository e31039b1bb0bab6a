"""A stored run as a test to be run again."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core import store
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import Test, UsageError

# Settings that name the user's own programs, or pass them options: a foreign run's would be run as who replays it.
PROGRAMS: Final = ("binary", "jars", "args")


def load_test(folder: Path, *, keep_in: str | None = None, trusted: bool = True) -> Test:
    """Return the run's test with the same seed, and its faults to be replayed from its history.

    In virtual time the seed alone decides everything, so the run itself is repeated, to the nanosecond; a schedule's
    file may be gone or changed, so that its faults come from the history. Raises `UsageError` where it is not `trusted`
    and names a program to run.
    """
    test = read_test(folder)
    named = programs(test)
    if named and not trusted:
        raise UsageError(
            f"{folder} names what is to be run here: {', '.join(named)}. A run may come from somebody else: look at "
            "it, and say --trust to run it"
        )
    by_seed = test.virtual and not (test.schedule or test.replay)
    has_faults = bool(test.faults or test.schedule or test.replay) and not by_seed
    return msgspec.structs.replace(
        test,
        store=keep_in or str(folder.parent.parent),
        replay=str(folder) if has_faults else None,
    )


def programs(test: Test) -> list[str]:
    """Return the settings of a test that say what is executed, as `name=value`."""
    found = [f"{name}={test.settings[name]}" for name in PROGRAMS if name in test.settings]
    return [*found, *([f"image={test.image}"] if test.image else [])]


def read_test(folder: Path) -> Test:
    """Read the options from `test.json`; raise `Broken` where they are missing or from another version."""
    try:
        return msgspec.convert(store.read_json(folder, store.TEST)["options"], Test)
    except (KeyError, msgspec.ValidationError) as error:
        raise Broken(
            "store", f"{folder / store.TEST} does not hold the options of this version's tests: {error}"
        ) from error
