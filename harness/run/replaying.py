"""A stored run as a test to be run again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from quorate.harness.core import store
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import Test


def load_test(folder: Path, *, keep_in: str | None = None) -> Test:
    """Return the run's test with the same seed, and its faults to be replayed from its history."""
    test = read_test(folder)
    has_faults = bool(test.faults or test.schedule or test.replay)
    return msgspec.structs.replace(
        test,
        store=keep_in or str(folder.parent.parent),
        replay=str(folder) if has_faults else None,
    )


def read_test(folder: Path) -> Test:
    """Read the options from `test.json`; raise `Broken` where they are missing or from another version."""
    content = store.read_json(folder, store.TEST)
    try:
        return msgspec.convert(content["options"], Test)
    except (KeyError, msgspec.ValidationError) as error:
        raise Broken(
            "store", f"{folder / store.TEST} does not hold the options of this version's tests: {error}"
        ) from error
