"""docs/style.md, held against what users read first: help texts and the descriptions of settings."""

from __future__ import annotations

import re

import pytest

from quorate.harness.cli.reference import reference
from quorate.harness.core import registry

AVOIDED = re.compile(
    r"\b(?:is|are) no (?!longer\b|more\b)\w+|\btold\b|\btells?\b|\bmend(?:s|ed)?\b|\bnobody\b|\bnothing else\b"
    r"|\bof (?:its|one's) own\b|\bgo(?:es)? (?:on|round)\b|\bcan be had\b|\blonger than nothing\b"
    r"|(?:^|  )Of (?:one|every|each)\b"
)
GROUPS = ("systems", "workloads", "faults")


@pytest.mark.parametrize(
    "line", ["FILE is no TOML", "Print one object, nothing else.", "  --seed  Of every choice."]
)
def test_the_pattern_finds_what_it_is_for(line: str) -> None:
    assert AVOIDED.search(line)


def test_help_texts_use_the_words_of_the_field() -> None:
    assert [line for line in reference().splitlines() if AVOIDED.search(line)] == []


def test_settings_are_described_in_the_words_of_the_field() -> None:
    described = {
        f"{name} {key}": text
        for group in GROUPS
        for name in registry.names(group)
        for part in [registry.find(group, name)]
        for key, text in part.described().items()
    }
    assert len(described) > 100
    assert {key: text for key, text in described.items() if AVOIDED.search(text)} == {}
