"""Colours are distinguishable as WCAG AA asks: 4.5 to 1 for text, 3 to 1 for marks, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quorate.reports import html

CSS = (Path(html.__file__).parent / "report.css").read_text()
TEXT_ON = {
    "page": "ink muted link",
    "card": "ink muted link ok fail info culprit invalid valid unknown",
    "soft": "ink muted ok fail info link",
    "culprit-soft": "ink muted ok fail info culprit invalid",
    "ok-soft": "ink",
    "fail-soft": "ink",
    "info-soft": "ink",
    "valid-soft": "ink muted valid",
    "invalid-soft": "ink muted invalid",
    "unknown-soft": "ink muted unknown link",
    "fault": "fault-ink",
    "leader": "leader-ink",
}
MARKS_ON = {"card": "ok fail info culprit focus muted", "page": "focus"}


def themes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[:2]
    found = {
        name: dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block))
        for name, block in (("light", light), ("dark", dark))
    }
    assert found["light"].keys() == found["dark"].keys()
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_itself():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("least", "pairs"), [(4.5, TEXT_ON), (3.0, MARKS_ON)])
def test_contrast(theme, least, pairs):
    colours = themes()[theme]
    found = {
        (name, ground): round(contrast(colours[name], colours[ground]), 2)
        for ground, names in pairs.items()
        for name in names.split()
    }
    assert {pair: value for pair, value in found.items() if value < least} == {}


def test_every_colour_used_is_defined_in_both_themes():
    known = themes()["light"].keys() | {"band"}
    used = set(re.findall(r"var\(--([\w-]+)\)", CSS))
    folder = Path(html.__file__).parent
    for script in folder.glob("*.js"):
        used |= set(re.findall(r'colour\("([\w-]+)"\)', script.read_text()))
    assert used <= known
