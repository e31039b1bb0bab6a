"""The command reference and the table of campaign keys, made from the code: `python -m quorate.harness.cli.reference`.

Prints docs/reference/cli.md. With `keys` it prints the table that stands in docs/campaigns.md. Tests compare both.
"""

from __future__ import annotations

import sys
from typing import Final

import click

from quorate.harness.campaign.values import CELL_KEYS, TEST_KEYS
from quorate.harness.cli.main import COMMANDS, LazyGroup, quorate

_WIDTH: Final = 100
_OF_CELLS: Final = {
    "system": "SYSTEM or SYSTEM@RELEASE, e.g. `etcd@3.5.16` [etcd]",
    "workload": "what clients do; several run side by side on separate keys [register]",
    "settings": "settings of system, workload, faults and gates, as `--set KEY=VALUE`",
    "schedule": "file with exact faults at exact times, relative to this file",
    "inventory": 'file with the hosts for `cluster = "ssh"`, relative to this file',
    "file": 'Docker Compose file for `cluster = "compose"`, relative to this file',
    "expect": "`valid`, `invalid` (a known bug) or `any` [valid]",
    "link": "address of the known bug's issue, shown in every report",
    "repeat": "runs of the cell, with seeds that follow each other [1]",
    "weight": "how early and often it gets its turns, relative to other cells [1.0]",
}
_FORMS: Final = {
    "workload": 'text, or a list for several side by side: `["register", "set"]`',
    "endpoints": 'text with commas, or a list: `["db1:2379", "db2:2379"]`',
    "service": 'text with commas, or a list: `["n1=etcd-a", "n2=etcd-b"]`',
    "faults": 'text with commas, or a list: `"partition:leader,kill"`',
    "settings": 'table: `{ reads = "serializable" }`',
    "check_memory": 'number of bytes or text: `"1GiB"`',
}
_TYPES: Final = {
    "duration": 'duration: `"30s"`',
    "integer": "whole number",
    "float": "number",
    "boolean": "true or false",
}


def reference() -> str:
    """Return docs/reference/cli.md: the help of every command."""
    parts = [
        "# Commands",
        "",
        "Made from the code by `python -m quorate.harness.cli.reference`; a test keeps it current.",
        "",
        *_block("quorate", _help(quorate, "quorate")),
    ]
    assert isinstance(quorate, LazyGroup)
    context = click.Context(quorate, info_name="quorate")
    for name in COMMANDS:
        command = quorate.get_command(context, name)
        assert command is not None
        parts += _block(f"quorate {name}", _help(command, f"quorate {name}"))
        if isinstance(command, click.Group):
            for below, inner in command.commands.items():
                parts += _block(f"quorate {name} {below}", _help(inner, f"quorate {name} {below}"))
    return "\n".join(parts).rstrip() + "\n"


def _block(title: str, text: str) -> list[str]:
    return [f"## {title}", "", "```text", text.rstrip(), "```", ""]


def _help(command: click.Command, name: str) -> str:
    """Return the help at a fixed width, so that no terminal changes it."""
    # The group's settings count for all: click remembers an option for help as it was first asked for.
    settings = {**quorate.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = click.Context(command, info_name=name, **settings)
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def keys() -> str:
    """Return the table of all keys of a cell, with the options' own words."""
    context = click.Context(quorate)
    test = quorate.get_command(context, "test")
    assert test is not None
    options = {each.name: each for each in test.params if isinstance(each, click.Option)}
    rows = ["| key | value | meaning |", "| --- | --- | --- |"]
    for key in (*TEST_KEYS, *CELL_KEYS):
        option = options.get(key)
        meaning = _OF_CELLS.get(key) or (option.help if option is not None and option.help else "")
        usual = "text" if option is None else _TYPES.get(option.type.name, "text")
        form = _FORMS.get(key) or {"repeat": "whole number", "weight": "number"}.get(key, usual)
        rows.append(f"| `{key}` | {form} | {meaning.replace('|', ' or ')} |")
    return "\n".join(rows)


if __name__ == "__main__":
    click.echo(keys() if sys.argv[1:] == ["keys"] else reference(), nl=sys.argv[1:] == ["keys"])
