"""What a server's log says of its end, for the text of an error."""

from __future__ import annotations

import re
from typing import Final

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

_READ_LINES: Final = 500
_SHOW_LINES: Final = 5
_LONGEST: Final = 400
# zap's levels, the letters of the old format, Go's own words, and what the flag package says before its usage.
_BAD: Final = re.compile(
    r'"level":"(error|fatal|panic|dpanic)"| [CE] \| |^panic:|^fatal error|not defined|flag needs|error verifying'
)


def log_path(node: Node) -> str:
    """The file that takes the server's output."""
    return f"{node.directory}/log/etcd.log"


async def last_words(node: Node) -> str:
    """The last lines of the node's log that report trouble, or else its last lines; never raises."""
    try:
        done = await node.run(["tail", "-n", str(_READ_LINES), log_path(node)], check=False)
    except Broken as error:
        return f"\n--- no log of {node.name}: {error.text}"
    lines = [line[:_LONGEST] for line in done.stdout.splitlines() if line.strip()]
    bad = [line for line in lines if _BAD.search(line)]
    shown = "\n".join((bad or lines)[-_SHOW_LINES:]) or "(nothing)"
    return f"\n--- last lines of {node.name}'s log:\n{shown}"
