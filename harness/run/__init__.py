"""One run from its options to its verdict: assemble the parts, conduct the live half, judge what was recorded."""

from quorate.harness.run.replaying import load_test
from quorate.harness.run.requirements import check_releases, require
from quorate.harness.run.running import Run, draw_seed, judge_again, prepare, run

__all__ = ["Run", "check_releases", "draw_seed", "judge_again", "load_test", "prepare", "require", "run"]
