"""Commands over one long-lived remote shell: how a command is written, and how its end is known.

Each command is followed by a marker on both output streams, unique to the command, the one on stdout with the exit
code. Only that shows where the output of one command ends: the shell continues.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence

from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken

OUTPUT_LIMIT = 64 << 20  # bytes of a stream


def line_of(
    argv: Sequence[str],
    marker: str,
    *,
    timeout_s: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> bytes:
    """Return the line that makes a remote `sh` run a command.

    `timeout` on the host kills it with its process group at the deadline, whatever becomes of the connection.
    """
    assignments = [f"{name}={value}" for name, value in (env or {}).items()]
    prefix = ["env", *assignments] if assignments else []
    command = shlex.join(["timeout", "-s", "KILL", f"{timeout_s:.3f}", *prefix, *argv])
    fed = (
        f"printf %s {base64.b64encode(stdin).decode()} | base64 -d | {command}"
        if stdin
        else f"{command} </dev/null"
    )
    if cwd is not None:
        fed = f"cd {shlex.quote(cwd)} && {{ {fed}; }}"
    # The newline before the marker is ours: output need not end with one.
    return f"( {fed} ); printf '\\n%s %d\\n' {marker} $?; printf '\\n%s\\n' {marker} >&2\n".encode()


class Frame:
    """Collects both streams until the marker stood on each."""

    def __init__(self, marker: str) -> None:
        self._marker = marker.encode()
        self._streams = {"stdout": bytearray(), "stderr": bytearray()}
        self._searched = {"stdout": 0, "stderr": 0}
        self._ends: dict[str, int] = {}
        self._code: int | None = None

    def feed(self, stream: str, data: bytes) -> None:
        """Take bytes of "stdout" or "stderr"; raises `Broken` when there are too many."""
        buffer = self._streams[stream]
        buffer += data
        if len(buffer) > OUTPUT_LIMIT:
            raise Broken("too-much-output", f"a command wrote more than {OUTPUT_LIMIT >> 20} MiB")
        if stream in self._ends:
            return
        start = max(0, self._searched[stream] - len(self._marker) - 1)
        found = buffer.find(b"\n" + self._marker, start)
        self._searched[stream] = len(buffer)
        if found < 0:
            return
        line_end = buffer.find(b"\n", found + 1)
        if line_end < 0:
            self._searched[stream] = found + 1  # the marker's own line is not complete yet
            return
        self._ends[stream] = found
        if stream == "stdout":
            self._code = int(buffer[found + 1 + len(self._marker) : line_end])

    @property
    def complete(self) -> Completed | None:
        """The result, once both markers came."""
        if len(self._ends) < len(self._streams) or self._code is None:
            return None
        texts = [bytes(self._streams[name][: self._ends[name]]) for name in ("stdout", "stderr")]
        return Completed(self._code, *(text.decode(errors="replace") for text in texts))
