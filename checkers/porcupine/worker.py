"""One check in a process of its own: a request and a history on stdin, an answer on stdout.

`python -m checkers.porcupine.worker`: first line the length of the request, then the request, then the history in the
exchange format to the end. Go's runtime lives and dies here, so its memory can be capped and the process killed.
"""

from __future__ import annotations

import resource
import sys

import msgspec

from checkers.porcupine import library


def main() -> None:
    """Answer the one request."""
    source = sys.stdin.buffer
    length = int(source.readline())
    request = msgspec.json.decode(source.read(length))
    try:
        answer = library.call(request, source.read())
    except library.PorcupineError as error:
        answer = {"error": str(error)}
    answer["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
