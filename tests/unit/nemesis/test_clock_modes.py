"""Kinds of clock skew: decided from the seed, and distinguished from what was measured."""

from __future__ import annotations

from random import Random

import pytest

from quorate.harness.core.fault import make
from quorate.harness.core.test import UsageError
from quorate.nemesis.clock.modes import MODES, MS, S, in_words, mismatch, options
from quorate.nemesis.clock.tool import Reading, Seen


def reading(at_ns: int, real_off: int = 0, mono_off: int = 0) -> Reading:
    def seen(off: int) -> Seen:
        return Seen(at_ns, at_ns + off, 1.0, 0, 0)

    return Reading(1, True, seen(real_off), seen(mono_off))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(20))
def test_the_seed_decides_and_sizes_are_sane(mode: str, seed: int):
    skew = MODES[mode].decide(Random(seed), None)
    assert skew == MODES[mode].decide(Random(seed), None)
    assert any(key.startswith("mono") for key in skew) == MODES[mode].monotonic
    for key, value in skew.items():
        if key.endswith("rate"):
            assert 0.2 <= value <= 5
            assert abs(value - 1) > 0.05
        elif key == "mono_offset_ns":
            assert value > 0
        elif key == "real_period_ns":
            assert MS <= value <= S
        else:
            assert 4 * MS <= abs(value) <= 288 * S
    assert in_words(skew) != "true"


def test_a_given_size_is_kept():
    assert MODES["jump"].decide(Random(1), -3 * S) == {"real_offset_ns": -3 * S}
    assert MODES["step"].decide(Random(1), 3 * S) == {"mono_offset_ns": 3 * S}


def test_a_step_goes_on_from_where_the_clock_is():
    assert options({"mono_offset_ns": 5}, ahead_ns=7) == ["--mono-offset=12"]
    assert options({"real_offset_ns": 5}, ahead_ns=7) == ["--real-offset=5"]
    assert options({"real_rate": 0.5, "mono_rate": 0.5}) == ["--real-rate=0.5", "--mono-rate=0.5"]
    assert options({"real_strobe_ns": -5, "real_period_ns": 3}) == ["--real-strobe=3,-5"]


@pytest.mark.parametrize(
    ("skew", "readings", "wrong"),
    [
        ({"real_offset_ns": S}, [reading(0, S)], None),
        ({"real_offset_ns": S}, [reading(0, 0)], "wall clock is"),
        ({"real_offset_ns": S}, [reading(0, S, S)], "monotonic clock is"),
        ({"real_rate": 2.0}, [reading(0), reading(S, S)], None),
        ({"real_rate": 2.0}, [reading(0), reading(S, 0)], "runs at rate 1.0000, not 2"),
        ({"real_rate": 2.0}, [reading(0)], "runs at rate nan"),
        ({"real_strobe_ns": S, "real_period_ns": 1}, [reading(0), reading(9, S)], None),
        ({"real_strobe_ns": S, "real_period_ns": 1}, [reading(0), reading(9)], "never changed"),
        ({"real_strobe_ns": S, "real_period_ns": 1}, [reading(0), reading(9, 2 * S)], "wall clock is"),
        ({"mono_rate": 2.0}, [reading(0, 0, 7), reading(S, 0, S)], None),
    ],
)
def test_measured_against_decided(skew: dict[str, float], readings: list[Reading], wrong: str | None):
    found = mismatch(skew, readings)
    if wrong is None:
        assert found is None
    else:
        assert found is not None
        assert wrong in found


def test_a_clock_left_ahead_is_no_mismatch():
    assert mismatch({"real_offset_ns": S}, [reading(0, S, 3 * S)], ahead_ns=3 * S) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"clock.mode": "jmp"}, 'did you mean "jump"'),
        ({"clock.size": "much"}, '"much" is not a duration'),
    ],
)
def test_settings_that_make_no_sense(given: dict[str, str], words: str):
    with pytest.raises(UsageError, match=words):
        make("clock", given)
