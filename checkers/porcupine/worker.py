"""One check in a separate process: a request and a history on stdin, an answer on stdout.

`python -m checkers.porcupine.worker`: first line the length of the request, then the request, then the history in the
exchange format to the end. Go's runtime lives and dies here, so its memory can be capped and the process killed.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

import msgspec

from quorate.checkers.porcupine import library

# Stacks of Go's threads: reserved as a whole, used by a few pages.
_STACKS_BYTES: Final = 96 << 20


def main() -> None:
    """Answer the one request."""
    source = sys.stdin.buffer
    length = int(source.readline())
    request = msgspec.json.decode(source.read(length))
    history = source.read()
    _cap(int(request.get("memory_bytes", 0)))
    try:
        answer = library.call(request, history)
    except library.PorcupineError as error:
        answer = {"error": str(error)}
    answer["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _cap(memory_bytes: int) -> None:
    """Let the kernel refuse what watching comes too late for: a search takes gigabytes between two looks. 0: no cap."""
    if memory_bytes == 0:
        return
    text = Path("/proc/self/status").read_text()
    held = next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held + memory_bytes + _STACKS_BYTES, hard))


if __name__ == "__main__":
    main()
