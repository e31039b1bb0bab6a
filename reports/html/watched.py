"""A watch drawn: above what happened, by revision; below what the watch was shown, in the order of showing.

Each thing shown is tied to what it reports, so disorder is seen as crossing ties, a repetition as two ties to one
change, and a loss as a change without a tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from quorate.reports.html import svg
from quorate.reports.watched import Happened, Shown, Watched
from quorate.reports.words import cut, seconds

_LEFT: Final = 96.0
_TOP: Final = 38
_BOX: Final = 40
_BETWEEN: Final = 74
_GAP: Final = 12.0
_INSIDE: Final = 3.0  # between changes of one message
_LETTER: Final = 7.4
_NARROW: Final = 98.0
_TICK: Final = 74.0


def drawing(watched: Watched | None, label: str) -> Markup:
    """Draw it; nothing where there is nothing to draw."""
    if watched is None:
        return Markup()
    above = _row([len(one.words) for one in watched.happened], [_GAP] * len(watched.happened))
    gaps = [
        _INSIDE if before is not None and before.message == one.message else _GAP
        for before, one in zip([None, *watched.shown], watched.shown, strict=False)
    ]
    below = _row([len(one.words) for one in watched.shown], gaps)
    low = _TOP + _BOX + _BETWEEN
    width = max([x + size for x, size in (*above, *below)] + [_LEFT + 320])
    height = low + _BOX + 50
    parts = [
        svg.text(_LEFT - 12, _TOP + _BOX / 2 + 4, "happened", "who", "end"),
        svg.text(_LEFT - 12, low + _BOX / 2 + 4, "was shown", "who", "end"),
        svg.line(_LEFT, _TOP + _BOX / 2, width, _TOP + _BOX / 2, "lane"),
        svg.line(_LEFT, low + _BOX / 2, width, low + _BOX / 2, "lane"),
    ]
    parts += _ties(watched, above, below, low)
    # What a progress notification announced too early may still be shown, only later.
    early = any(one.bad and not one.name for one in watched.shown)
    lacking = "not shown by then" if early else "never shown"
    for change, place in zip(watched.happened, above, strict=True):
        parts += _change(change, place, lacking)
    parts += [
        part for one, place in zip(watched.shown, below, strict=True) for part in _sight(one, place, low)
    ]
    parts += _messages(watched.shown, below, low + _BOX)
    wrong = "shown without it" if any(one.missing for one in watched.happened) else "cannot be"
    bad = next((place for one, place in zip(watched.shown, below, strict=True) if one.bad), None)
    if bad is not None:
        parts.append(svg.text(bad[0] + bad[1] / 2, low + _BOX + 38, f"✗ {wrong}", "alarm", "middle"))
    return svg.svg(width + 8, height, label, *parts, cls="spacetime watched")


def _row(letters: Sequence[int], gaps: Sequence[float]) -> list[tuple[float, float]]:
    """Place and width of each box, left to right."""
    found, x = [], _LEFT
    for count, gap in zip(letters, gaps, strict=True):
        width = max(_NARROW, _LETTER * count + 16)
        found.append((x + gap, width))
        x += gap + width
    return found


def _ties(
    watched: Watched,
    above: Sequence[tuple[float, float]],
    below: Sequence[tuple[float, float]],
    low: float,
) -> list[Markup]:
    places = {
        (one.revision, one.name): x + w / 2 for one, (x, w) in zip(watched.happened, above, strict=True)
    }
    return [
        svg.line(places[one.revision, one.name], _TOP + _BOX, x + w / 2, low, "mark" if one.bad else "tie")
        for one, (x, w) in zip(watched.shown, below, strict=True)
        if (one.revision, one.name) in places
    ]


def _change(one: Happened, place: tuple[float, float], lacking: str) -> list[Markup]:
    group = _box(one.words, f"revision {one.revision}", place, _TOP, "op culprit" if one.missing else "op ok")
    if not one.missing:
        return [group]
    return [group, svg.text(place[0] + place[1] / 2, _TOP - 10, lacking, "alarm", "middle")]


def _sight(one: Shown, place: tuple[float, float], low: float) -> list[Markup]:
    told = f"up to {one.revision}" if not one.name else f"revision {one.revision}"
    cls = "op culprit" if one.bad else "op ok" if one.name else "op info"
    return [_box(one.words, told, place, low, cls)]


def _box(words: str, revision: str, place: tuple[float, float], y: float, cls: str) -> Markup:
    x, width = place
    fits = int((width - 12) / _LETTER)
    return svg.tag(
        "g",
        svg.title(f"{words}, {revision}"),
        svg.rect(x, y, width, _BOX, "body", rx=4),
        svg.text(x + 8, y + 16, cut(words, fits), "words"),
        svg.text(x + 8, y + 32, revision, "tick"),
        cls=cls,
    )


def _messages(shown: Sequence[Shown], below: Sequence[tuple[float, float]], y: float) -> list[Markup]:
    """A line under the changes of each message, and when the first of them was reported."""
    parts: list[Markup] = []
    last = -1e9
    for number, (one, (x, _)) in enumerate(zip(shown, below, strict=True)):
        if number and shown[number - 1].message == one.message:
            continue
        same = [place for other, place in zip(shown, below, strict=True) if other.message == one.message]
        parts.append(svg.line(x, y + 7, same[-1][0] + same[-1][1], y + 7, "effect"))
        if x - last >= _TICK:
            parts.append(svg.text(x, y + 22, seconds(one.at_s), "tick"))
            last = x
    return parts
