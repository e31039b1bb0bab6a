"""`hunt`: from what was asked to a folder with everything that was found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import msgspec

from quorate.harness.campaign.run import signals_as_one
from quorate.harness.core import store
from quorate.harness.core.outcome import Broken
from quorate.harness.hunt import summary
from quorate.harness.hunt.findings import Finding, Findings, Shown
from quorate.harness.hunt.hunting import Hunt, Limits
from quorate.harness.hunt.learning import Learner
from quorate.harness.hunt.space import Space
from quorate.harness.hunt.summary import Told
from quorate.harness.hunt.waivers import Waiver

Listener = Callable[[Shown, list[Finding]], None]


class Ended(msgspec.Struct, frozen=True):
    """A hunt's end: where everything stands, and what it came to."""

    folder: Path
    told: Told


def hunt(
    space: Space,
    limits: Limits,
    waivers: Sequence[Waiver] = (),
    *,
    root: Path,
    seed: int,
    listener: Listener,
    command: str = "",
    learns: bool = True,
) -> Ended:
    """Hunt until the limits, and write `hunt.json`, `hunt.md` and `campaign.json` into a new folder.

    Ctrl-C ends it early, with what it has. The seed decides the draws up to what earlier runs reached; every run by
    itself is repeated by its own command.
    """
    base = space.base
    folder = store.create(root / "hunts", base.system, seed)
    store.point_latest(folder)
    findings = Findings(base.system, waivers)
    learner = Learner(space, Random(f"{seed}/hunt"), learns=learns)

    def told(*, interrupted: bool = False) -> Told:
        shown = hunted.shown
        return Told(
            system=base.system,
            release=next((one.release for one in shown if one.release), ""),
            seed=seed,
            budget_s=limits.budget_s,
            spent_s=max((one.at_s for one in shown), default=0.0),
            runs=len(shown),
            outcomes=summary.outcomes(shown),
            states=learner.reached,
            findings=findings.all,
            left_out=dict(space.left_out),
            interrupted=interrupted,
            command=command,
        )

    def ran(shown: Shown, new: list[Finding]) -> None:
        summary.write(folder, told(), base, hunted.shown)
        listener(shown, new)

    hunted = Hunt(base, learner, findings, limits, folder / "runs", ran)
    interrupted = False
    try:
        with signals_as_one():
            asyncio.run(hunted.run())
    except KeyboardInterrupt:
        interrupted = True
    except BaseExceptionGroup as errors:
        broken = errors.subgroup(Broken)
        raise (broken or errors).exceptions[0] from None
    ended = told(interrupted=interrupted)
    summary.write(folder, ended, base, hunted.shown)
    return Ended(folder, ended)
