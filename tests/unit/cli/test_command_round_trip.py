"""`Test.command()` asks for the very same test: campaigns hand it to their children, reports print it."""

from __future__ import annotations

import json
import shlex
import tomllib

import click
import msgspec
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from quorate.harness.campaign.cell import Cell
from quorate.harness.campaign.jobs import Job
from quorate.harness.campaign.process import arguments
from quorate.harness.campaign.values import TEST_KEYS, convert
from quorate.harness.cli.options import given
from quorate.harness.cli.test_command import _decoded, command
from quorate.harness.core.duration import exact_duration, parse_duration
from quorate.harness.core.options import Kind, Option
from quorate.harness.core.test import OPTIONS, Test

SECONDS = st.floats(min_value=1e-6, max_value=1e7)
WORD = st.text("abcdefgh.-_/ '\"", min_size=1, max_size=12).map(
    lambda word: f"no{word}x"
)  # no file is called so

BY_FIELD = {option.field: option for option in OPTIONS}

# What fits an option of each kind; and the fields whose values must fit something else as well.
OF_KINDS = {
    Kind.TEXT: WORD,
    Kind.FILE: WORD,
    Kind.FOLDER: WORD,
    Kind.WHOLE: st.integers(1, 63),
    Kind.NUMBER: st.floats(min_value=0, max_value=1e9),
    Kind.DURATION: SECONDS,
    Kind.SIZE: st.integers(1 << 24, 1 << 40),
    Kind.FLAG: st.booleans(),
}
NARROWER = {
    "system": st.sampled_from(["etcd", "etcd@3.5.16", "simulated"]),
    "workload": st.sampled_from([("register",), ("watch", "set")]),
    "faults": st.sampled_from([(), ("kill",), ("partition:leader", "clock")]),
    "cluster": st.sampled_from(["auto", "local"]),
    "endpoints": st.sampled_from([(), ("db1:2379", "db2:2379")]),
    "service": st.sampled_from([(), ("n1=etcd-a", "n2=etcd-b:12379")]),
    "clients": st.integers(1, 100_000),
    "seed": st.none() | st.integers(0, 2**63),
    "settings": st.dictionaries(st.sampled_from(["reads", "gate.ok", "binary"]), WORD),
}


def values(option: Option) -> st.SearchStrategy[object]:
    """Draw what an option may be; nothing where nothing is the default."""
    drawn_from = NARROWER[option.field] if option.field in NARROWER else OF_KINDS[option.kind]
    return st.none() | drawn_from if getattr(Test(), option.field) is None else drawn_from


TESTS = st.builds(Test, **{option.field: values(option) for option in OPTIONS})


def parsed(text: str) -> Test:
    """Read a command line as `quorate test` does, without running it."""
    words = shlex.split(text)
    assert words[:2] == ["quorate", "test"]
    context = command.make_context("test", words[2:])
    own = {"system", "repeat", "as_json", "quiet", "exactly"}
    options = {name: value for name, value in context.params.items() if name not in own}
    return Test(system=context.params["system"], **given(options))


@settings(max_examples=200, deadline=None)
@drawn(TESTS)
def test_parsing_a_command_gives_back_the_test(test: Test) -> None:
    assert parsed(test.command()) == test


@settings(max_examples=200, deadline=None)
@drawn(TESTS)
def test_a_child_gets_the_test_that_its_campaign_has(test: Test) -> None:
    job = Job(cell=Cell(test), turn=0, seed=7)
    words = arguments(job, "there")
    assert words[1:3] == ["-m", "quorate"]
    context = command.make_context("test", words[4:])
    assert _decoded(context.params["exactly"]) == msgspec.structs.replace(test, seed=7, store="there")


def in_toml(key: str, value: object) -> str:
    """Write a value as people write it in a campaign file."""
    kind = BY_FIELD[key].kind
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return (
                "{ "
                + ", ".join(f"{json.dumps(name)} = {json.dumps(one)}" for name, one in value.items())
                + " }"
            )
        case tuple():
            return json.dumps(value)
        case float() if kind is Kind.NUMBER:
            return repr(value)
        case int() if kind is not Kind.SIZE:
            return str(value)
        case _:
            return json.dumps(BY_FIELD[key].shown(value))


@settings(max_examples=200, deadline=None)
@drawn(TESTS)
def test_a_campaign_file_gives_back_the_test(test: Test) -> None:
    fields = {key: getattr(test, key) for key in TEST_KEYS}
    lines = [f"{key} = {in_toml(key, value)}" for key, value in fields.items() if value is not None]
    table = tomllib.loads("\n".join(lines))
    read = Test(**{key: convert(key, value) for key, value in table.items()}, keep_cluster=test.keep_cluster)
    assert read == test


def test_every_field_has_one_declaration() -> None:
    fields = [field.name for field in msgspec.structs.fields(Test)]
    assert [option.field for option in OPTIONS] == [field for field in fields if field != "replay"]


def test_every_option_is_a_flag() -> None:
    flags = {parameter.name for parameter in command.params if isinstance(parameter, click.Option)}
    assert {option.field for option in OPTIONS} - {"system"} <= flags


@pytest.mark.parametrize("seconds", [90.123456, 100000.5, 1234567.0, 3.3333333333333335, 1e-7, 0.0])
def test_durations_are_exact(seconds: float) -> None:
    assert parse_duration(exact_duration(seconds)) == seconds


def test_round_durations_stay_short() -> None:
    assert [exact_duration(each) for each in (0.5, 1.5, 90, 300, 7200)] == [
        "500ms",
        "1.5s",
        "90s",
        "5m",
        "2h",
    ]
