"""Watching a server's log for a line: the moment at which a fault does the most harm is often written there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from quorate.harness.core.clock import until
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

_POLL_S: Final = 0.001
_SLACK_S: Final = 2.0
_CHUNK_BYTES: Final = 1 << 20

# Looks at what each log gained since the beginning. Where the logs cannot be seen from here this runs in the node.
_WATCH = r"""
text=$1; shift
sizes=
for log in "$@"; do sizes="$sizes $(wc -c <"$log" 2>/dev/null || echo 0)"; done
while :; do
  n=0
  for size in $sizes; do
    n=$((n + 1))
    eval "log=\${$n}"
    tail -c "+$((size + 1))" "$log" 2>/dev/null | grep -qF -- "$text" && exit 0
  done
  sleep 0.01
done
"""


async def wait_for_text(node: Node, daemon: str, logs: Sequence[str], text: str, deadline_s: float) -> None:
    """Return as soon as one of the logs gains a line with this text; raise `Broken` where none does in time.

    About a millisecond late where this process sees the server's files, some tens elsewhere.
    """
    pid = await node.pid(daemon)
    root = Path(f"/proc/{pid}/root") if pid is not None else None
    if root is None or not os.access(root, os.R_OK):
        argv = ["timeout", f"{deadline_s:g}", "sh", "-c", _WATCH, "quorate", text, *logs]
        done = await node.run(argv, timeout_s=deadline_s + _SLACK_S, check=False)
        seen = done.code == 0
    else:
        seen = await _watch([root / log.lstrip("/") for log in logs], text.encode(), deadline_s)
    if not seen:
        raise Broken("no-line", f'no log of {node.name} said "{text}" within {deadline_s:g} s')


async def _watch(logs: Sequence[Path], text: bytes, deadline_s: float) -> bool:
    files = [log.open("rb") for log in logs if log.exists()]
    try:
        for file in files:
            file.seek(0, os.SEEK_END)
        kept = [b""] * len(files)  # the end of what was read: the text may come in two pieces

        async def said() -> bool:
            for number, file in enumerate(files):
                read = kept[number] + file.read(_CHUNK_BYTES)
                if text in read:
                    return True
                kept[number] = read[-len(text) :]
            return False

        return await until(said, bool, deadline_s=deadline_s, poll_s=_POLL_S)
    finally:
        for file in files:
            file.close()
