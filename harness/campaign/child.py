"""Becomes the command of a cell, after asking the kernel to end it when the campaign has ended.

Run as a script, before quorate is imported: `python -I child.py PID COMMAND…`, PID being the process that starts it.
A campaign that is killed with -9 can send its cells nothing, so the kernel does (prctl(2), PR_SET_PDEATHSIG; kept by
execve(2)). SIGTERM lets a run heal and remove its cluster, and no more: no caller waits for its verdict.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Never returns: the command replaces this script."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(128 + signal.SIGTERM)
    os.execv(command[0], command)  # noqa: S606 - the command line was made by this campaign


if __name__ == "__main__":
    main()
