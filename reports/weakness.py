"""Weak reads in words: what their mode promises, how old they were, and behind which fault."""

from __future__ import annotations

from quorate.harness.core.results import Behind, JudgedReads, Staleness
from quorate.reports import words


def promise(weak: JudgedReads) -> str:
    """Say what the mode promises and whether the run held it to more."""
    held = (
        "Judged as linearizable all the same: what such reads show may be documented behaviour."
        if weak.held_to == "linearizable"
        else "Reads are judged by that; their age is a figure, not an anomaly."
    )
    return f"{weak.mode} promises less than linearizability: {weak.says}. {held}"


def documented(weak: JudgedReads | None, anomaly: str) -> str:
    """Say that an anomaly is one that the mode's documentation allows; empty where it is not, or was not asked."""
    return "" if weak is None else weak.documents(anomaly)


def web(link: str) -> bool:
    """Whether it is an address that a page may link to: a store may come from anywhere."""
    return link.startswith(("https://", "http://"))


def figures(one: Staleness) -> str:
    """Say how many reads were behind and how old they were: `12 of 900 reads behind (1.3 %), oldest 1.2 s`."""
    text = f"{one.behind:,} of {words.plural(one.reads, 'read')} behind"
    if one.behind and one.reads:
        p99 = one.percentiles_s.get("p99")
        text += f" ({words.share(one.behind / one.reads)}), oldest {words.duration(one.max_s)}"
        text += "" if p99 is None else f", p99 {words.duration(p99)}"
    more = [
        f"{count:,} {what}"
        for count, what in (
            (one.went_back, "older than one before in their session"),
            (one.own_writes_unseen, "without a write of their own session"),
        )
        if count
    ]
    return "; ".join([text, *more])


def worst(one: Staleness, most: int = 3) -> list[Behind]:
    """The faults behind which reads were oldest."""
    return sorted((row for row in one.by_fault if row.behind), key=lambda row: -row.max_s)[:most]


def behind(row: Behind) -> str:
    """Say it of one fault: `partition leader 2.1 s to 4.0 s: 30 of 200 reads behind, oldest 1.2 s`."""
    until = "the end" if row.to_s is None else words.seconds(row.to_s)
    where = (
        "outside of faults"
        if row.fault == "none"
        else f"{' '.join(filter(None, (row.fault, row.target)))}, {words.seconds(row.from_s)} to {until}"
    )
    count = f"{row.behind:,} of {words.plural(row.reads, 'read')} behind"
    return f"{where}: {count}" + (f", oldest {words.duration(row.max_s)}" if row.behind else "")
