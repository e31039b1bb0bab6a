"""Settings: one declaration, read from text, described for `quorate list`, refused with what may be given instead."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from quorate.harness.core.outcome import UsageError
from quorate.harness.core.settings import Seconds, about, declared, described, read
from quorate.workloads.part import Count, Share


class Settings(msgspec.Struct, frozen=True):
    share: Annotated[Share, msgspec.Meta(description="share of reads")] = 0.5
    count: Annotated[Count | None, about("clients", unset="the server's own")] = None
    within: Annotated[Seconds, about("how long", gt=0, le=18)] = 10.0
    size: Annotated[Seconds, about("of a jump", unset="drawn")] | None = None
    mode: Annotated[str, about("what is wrong", choices={"slow": "it waits", "any": "drawn"})] = "any"
    how: Annotated[tuple[str, ...], about("how", choices=("kill", "pause"))] = ("kill", "pause")
    on: Annotated[bool, about("whether")] = False
    text: Annotated[str, about("free", unset="nothing")] | None = None
    dotted: Annotated[bool, about("below")] = msgspec.field(default=True, name="on.majority")

    def __post_init__(self):
        if self.text == "kill" and not self.on:
            raise ValueError("text: kill needs on")


def test_what_is_listed():
    assert described(Settings, "x.") == {
        "x.share": "share of reads [0.5]",
        "x.count": "clients [the server's own]",
        "x.within": "how long [10s]",
        "x.size": "of a jump [drawn]",
        "x.mode": "what is wrong: slow - it waits; any - drawn [any]",
        "x.how": "how: kill; pause [kill,pause]",
        "x.on": "whether [no]",
        "x.text": "free [nothing]",
        "x.on.majority": "below [yes]",
    }


def test_text_becomes_values_and_foreign_names_are_left_alone():
    given = {
        "x.share": "0.25", "x.count": "7", "x.within": "500ms", "x.size": "-2m", "x.mode": "slow", "x.how": "pause",
        "x.on": "true", "x.text": "a=b", "x.on.majority": "no", "share": "nonsense", "y.on": "nonsense",
    }  # fmt: skip
    found = read(Settings, given, prefix="x.")
    assert found == Settings(0.25, 7, 0.5, -120.0, "slow", ("pause",), True, "a=b", False)
    assert read(Settings, {}) == Settings()


@pytest.mark.parametrize("word", ["yes", "true", "Yes", "no", "false", "NO"])
def test_one_spelling_of_yes_and_no(word):
    assert read(Settings, {"on": word}).on is (word.lower() in {"yes", "true"})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("share", "2", "give a number from 0 to 1"),
        ("share", "nan", "give a number from 0 to 1"),
        ("share", "much", "give a number from 0 to 1"),
        ("count", "1.5", "give a whole number from 1 to 1000000"),
        ("count", "0", "give a whole number from 1 to"),
        ("within", "0s", "give a duration of more than 0s and at most 18s"),
        ("within", "19s", "give a duration of more than 0s and at most 18s"),
        ("within", "soon", "write 500ms, 30s"),
        ("mode", "slwo", 'did you mean "slow"'),
        ("how", "kill,pose", 'did you mean "pause"'),
        ("how", ",", "kill, pause"),
        ("on", "maybe", "write yes or no"),
        ("text", "kill", "kill needs on"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name, text, words):
    with pytest.raises(UsageError) as refused:
        read(Settings, {f"x.{name}": text}, prefix="x.")
    assert f"--set x.{name}" in str(refused.value)
    assert words in str(refused.value)


@examples(deadline=None)  # the machine may be busy
@given(
    st.builds(
        Settings,
        share=st.floats(0, 1),
        count=st.none() | st.integers(1, 1_000_000),
        within=st.floats(1e-6, 18),
        size=st.none() | st.floats(-1e6, 1e6, allow_subnormal=False),
        mode=st.sampled_from(["slow", "any"]),
        how=st.lists(st.sampled_from(["kill", "pause"]), min_size=1).map(tuple),
        on=st.booleans(),
        dotted=st.booleans(),
    )
)
def test_what_is_shown_is_read_back(settings):
    """The words in which a value is shown are those that give it."""
    rows = declared(Settings)
    given = {
        row.name: row.shown(value)
        for row in rows
        if (value := getattr(settings, row.field)) is not None and row.name != "share"
    }
    assert read(Settings, given | {"share": repr(settings.share)}) == settings
