"""Which operations of a run are done: `--set only=3,7-9`."""

import pytest

from quorate.harness.core.test import Test, UsageError
from quorate.harness.history import History
from quorate.harness.run import run
from quorate.harness.run.choosing import numbers, ranges


@pytest.mark.parametrize(
    ("text", "found"), [("0", (0,)), ("3,7-9", (3, 7, 8, 9)), ("9, 7-8,7", (7, 8, 9)), ("5-5", (5,))]
)
def test_numbers_are_read_and_written(text, found):
    assert numbers(text) == found
    assert numbers(ranges(found)) == found


@pytest.mark.parametrize("text", ["", "a", "-3", "3-", "3-1", "1000000", "1,,2", "٣"])
def test_anything_else_is_refused(text, tmp_path):
    with pytest.raises(ValueError, match="only="):
        numbers(text)
    with pytest.raises(UsageError, match="only="):
        run(Test(system="simulated", store=str(tmp_path), settings={"only": text}), report=False)


def test_a_run_does_those_operations_and_no_others(tmp_path):
    def done(**settings):
        test = Test(
            system="simulated", time=1.0, clients=2, rate=50, seed=3, store=str(tmp_path), settings=settings
        )
        events = History.read(run(test, report=False).folder).events()
        return [(e.time, e.f, e.key, e.value) for e in events if e.type == "invoke"]

    every, chosen = done(), done(only="2,5-6")
    assert chosen[:3] == [every[at] for at in (2, 5, 6)]
    assert {f for _, f, _, _ in chosen[3:]} == {"read"}, "what is left are the final reads"
