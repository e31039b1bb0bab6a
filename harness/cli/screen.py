"""What the terminal can take: colour by the common conventions, its width, links, lines that renew themselves."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import quote

_WIDTH: Final = 80


def colour(stream: TextIO | None = None) -> bool:
    """Whether to colour: never with NO_COLOR, always with FORCE_COLOR, else on a terminal that is not `dumb`.

    The conventions of https://no-color.org and https://force-color.org; an empty variable is not set, 0 forces nothing.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return live(stream)


def live(stream: TextIO | None = None) -> bool:
    """Whether lines can renew themselves: a terminal that is not `dumb`."""
    return (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Return the terminal's width, or COLUMNS; 80 where it is unknown."""
    return shutil.get_terminal_size((_WIDTH, 24)).columns


def linked(path: Path) -> str:
    """Return a path that a terminal opens on a click (OSC 8); as it is where there is none."""
    shown = str(path)
    if not live() or not colour():
        return shown
    address = f"file://{quote(socket.gethostname())}{quote(str(path.absolute()))}"
    return f"\x1b]8;;{address}\x1b\\{shown}\x1b]8;;\x1b\\"
