"""`quorate why`: what the members' own logs say of a run's anomalies."""

from __future__ import annotations

import textwrap

import click
import msgspec

from quorate.harness.cli import places, screen
from quorate.harness.core import reading
from quorate.harness.core.exits import Exit
from quorate.harness.core.story import Story, Why
from quorate.harness.core.test import UsageError

_SHOWN = 3


@click.command(
    "why",
    epilog="""\b
Examples:
  quorate why store/latest
  quorate why store/etcd-revisions-kill/20261124T120000Z-7 --anomaly 4
  quorate why store/latest --json | jq '.stories[0].entries'
""",
)
@click.argument("run", default="store/latest")
@click.option("--anomaly", type=click.IntRange(min=1), help="Number of the anomaly, from 1. [the first 3]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (docs/reference/formats.md).")
def command(run: str, anomaly: int | None, as_json: bool) -> int:  # noqa: FBT001
    """Explain the anomalies of RUN [store/latest] from the members' own logs.

    The log of every member is decoded, replayed and joined with the operations of the anomaly: which entry each
    operation became, which members have it, and what each did with it. Exits with 0 where there was something to
    explain and logs to read, with 2 otherwise.
    """
    from quorate.harness.run.explaining import explain  # noqa: PLC0415 - keeps --help quick

    folder = places.run_folder(run)
    why = explain(folder, reading.results(folder))
    if anomaly is not None:
        if anomaly > len(why.stories) > 0:
            raise UsageError(f"--anomaly {anomaly}: the run has {len(why.stories)} anomalies to explain")
        why = msgspec.structs.replace(why, stories=why.stories[anomaly - 1 : anomaly])
    if as_json:
        click.echo(msgspec.json.encode(why))
    else:
        _print(why, first=anomaly or 1)
    return Exit.VALID if why.stories else Exit.UNKNOWN


def _print(why: Why, *, first: int) -> None:
    if why.reason:
        click.echo(f"nothing to explain: {why.reason}")
        return
    for line in why.members:
        click.echo(line)
    if not why.stories:
        click.echo("nothing to explain: the run has no anomaly")
    for number, story in enumerate(why.stories[:_SHOWN], first):
        _story(number, story)
    if len(why.stories) > _SHOWN:
        click.echo(f"\n{len(why.stories) - _SHOWN} more anomalies: choose one with --anomaly")


def _story(number: int, story: Story) -> None:
    from quorate.checkers.words import plain  # noqa: PLC0415 - keeps --help quick

    colour, width = screen.colour(), screen.width()
    click.echo()
    head = click.style(f"{number}. {story.guarantee}: {story.anomaly}", fg="red")
    click.echo(head, color=colour)
    click.echo(textwrap.fill(plain(story.says), width, initial_indent="   ", subsequent_indent="   "))
    for sentence in story.sentences:
        click.echo(textwrap.fill(plain(sentence), width, initial_indent="   - ", subsequent_indent="     "))
