"""A process that runs simulated tests one after the other: importing everything costs more than most of them take.

Started as `python -m quorate.harness.experiments.warm`. Each line on standard input is an order, each line on standard
output its answer. A run that crashes is answered as broken; one that never ends is ended by whoever ordered it.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback

import msgspec

from quorate.harness.core.exits import Exit
from quorate.harness.core.outcome import Broken
from quorate.harness.core.registry import UnknownNameError
from quorate.harness.core.results import Printed
from quorate.harness.core.test import Test, UsageError


class Answer(msgspec.Struct, frozen=True):
    """How a test ended: as its process would have, and its results with the folder as `run`, or why there are none."""

    exit_code: int
    results: Printed | None = None
    complaint: str = ""


def answer(test: Test) -> Answer:
    """Run one test in this process, without its HTML."""
    from quorate.harness.run import run  # noqa: PLC0415 - after standard output was put aside

    try:
        done = run(test, report=False)
    except (UsageError, UnknownNameError) as error:
        return Answer(Exit.USAGE, complaint=str(error))
    except Broken as error:
        return Answer(Exit.BROKEN, complaint=error.text or error.code)
    except Exception as error:  # noqa: BLE001 - one test's crash is not the end of those after it
        traceback.print_exc()
        return Answer(Exit.BROKEN, complaint=f"{type(error).__name__}: {error}")
    return Answer(done.exit_code, done.printed)


def main() -> None:
    """Answer orders until there are no more."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # whatever a plug-in prints must not stand between answers
        logging.basicConfig(level=logging.CRITICAL)
        for line in sys.stdin.buffer:
            done = answer(msgspec.json.decode(line, type=Test))
            out.write(msgspec.json.encode(done, enc_hook=str) + b"\n")
            out.flush()


if __name__ == "__main__":
    main()
