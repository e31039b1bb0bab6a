"""SVG elements as text, with every attribute and text escaped; classes carry the colours, so both themes apply."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup, escape


def tag(name: str, *children: Any, **attributes: Any) -> Markup:
    """Return `<name …>children</name>`; `cls` becomes class, `_` in names becomes `-`, None leaves one out."""
    written = "".join(
        f' {"class" if key == "cls" else key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(str(escape(child)) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")  # noqa: S704 - every part is escaped above


def text(x: float, y: float, words: str, cls: str = "", anchor: str | None = None) -> Markup:
    """Return a text element at a point."""
    return tag("text", words, x=x, y=y, cls=cls or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, cls: str, **more: Any) -> Markup:
    """Return a line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, cls=cls, **more)


def rect(x: float, y: float, width: float, height: float, cls: str, *children: Any, **more: Any) -> Markup:
    """Return a rectangle; a `title` child becomes its tooltip."""
    return tag("rect", *children, x=x, y=y, width=max(0.5, width), height=height, cls=cls, **more)


def title(words: str) -> Markup:
    """Return a tooltip for the element it is put in."""
    return tag("title", words)


def svg(width: float, height: float, label: str, *children: Any, cls: str) -> Markup:
    """Return a whole drawing with its name for those who do not see it."""
    return tag(
        "svg", *children, viewBox=f"0 0 {_short(width)} {_short(height)}", width=width, height=height, role="img",
        aria_label=label, cls=cls,
    )  # fmt: skip


def _short(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
