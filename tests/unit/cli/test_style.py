"""docs/style.md, held against help texts, the descriptions of settings, comments, docstrings and pages."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.harness.cli.reference import reference
from quorate.harness.core import registry

AVOIDED = re.compile(
    r"\b(?:is|are) no (?!longer\b|more\b)\w+|\btold\b|\btells?\b|\bmend(?:s|ed)?\b|\bnobody\b|\bnothing else\b"
    r"|\bof (?:its|one's) own\b|\bgo(?:es)? (?:on|round)\b|\bcan be had\b|\blonger than nothing\b"
    r"|(?:^|  )Of (?:one|every|each)\b"
)
GROUPS = ("systems", "workloads", "faults")

ROOT = Path(__file__).parents[3]
FOLDERS = (
    "bench",
    "checkers",
    "docs",
    "harness",
    "nemesis",
    "quorate",
    "reports",
    "tests",
    "tools",
    "workloads",
)
# What is code within prose: names in backticks, texts in quotes, attributes.
CODE = re.compile(r"`[^`]*`|\"[^\"]*\"|\.told\b|\[\"told\"")
IN_PROSE = re.compile(
    r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b)\w+|\btold\b|\btell(?:s|ing)?\b"
    r"|\bmend(?:s|ed|ing)?\b|\bnobody\b|\bnothing else\b|\bof (?:its|one's|their) own\b(?! \w)"
    r"|\bgo(?:es)? (?:on|round)\b|\bcan be had\b|\blonger than nothing\b",
    re.IGNORECASE,
)


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


def prose(path: Path) -> Iterator[str]:
    """The comments and docstrings of a source file, the lines of a page outside of its code."""
    text = path.read_text()
    if not IN_PROSE.search(text):
        return
    if path.suffix == ".md":
        yield from text.split("```")[::2]
    elif path.suffix == ".py":
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        yield from (token.string for token in tokens if token.type == tokenize.COMMENT)
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, documented):
                yield ast.get_docstring(node) or ""
    else:
        yield from re.findall(r"(?:^|\s)//.*", text)


def messages(path: Path) -> Iterator[str]:
    """The texts of a source file that are not docstrings: errors, findings, notes, reports."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


# Kinds of anomalies, by which stored runs, waivers and campaigns know them.
KINDS = {"made by nobody", "list is no snapshot", "refusal is no snapshot", "term goes on after resigning"}


def test_messages_use_the_words_of_the_field() -> None:
    product = [
        path
        for folder in ("checkers", "harness", "nemesis", "quorate", "reports", "workloads")
        for path in (ROOT / folder).rglob("*.py")
        if "target" not in path.parts and IN_PROSE.search(path.read_text())
    ]
    found = [
        f"{path.relative_to(ROOT)}: {text.strip()}"
        for path in product
        for text in messages(path)
        if " " in text.strip() and text.strip() not in KINDS and IN_PROSE.search(CODE.sub("", text))
    ]
    assert found == [], "docs/style.md has what to write instead"


def test_comments_docstrings_and_pages_use_the_words_of_the_field() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    suffixes = {".py", ".rs", ".go", ".c", ".h", ".js", ".md"}
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    read = [path for path in [*pages, *paths] if not {"target", "_native", "node_modules"} & set(path.parts)]
    assert len(read) > 500
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in read
        if path != ROOT / "docs/style.md"
        for part in prose(path)
        for line in CODE.sub("", part).splitlines()
        if IN_PROSE.search(line)
    ]
    assert found == [], "docs/style.md has what to write instead"
