"""Where in a TOML file a key stands, so that every error names its line (the parser of the library does not)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TABLE = re.compile(r"^\s*\[(\[?)\s*([\w.\-\"]+)\s*\]?\]")


def line_of(text: str, table: str | None, key: str | None, occurrence: int = 0) -> int:
    """Return the 1-based line of `key` in `[table]` or in the `occurrence`-th `[[table]]`; of the table without a key.

    None as table means the keys before the first table. Returns 1 where nothing is found: better the file's top than
    no place at all.
    """
    current, seen, table_line = None, -1, 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = _TABLE.match(line)
        if header:
            current = header.group(2).strip('"')
            if current == table:
                seen += 1
                if seen == occurrence or not header.group(1):
                    table_line = number
            continue
        inside = current == table and (table is None or seen == occurrence or seen == 0 == occurrence)
        if inside and key is not None and re.match(rf'\s*"?{re.escape(key)}"?\s*=', line):
            return number
    return table_line


def place_of(text: str, sentence: str, keys: Iterable[str], table_line: int) -> int:
    """Return the line that an error's sentence speaks of: of a name it quotes, or of a key it names.

    Looked for from the cell's table on, then in the whole file, for a value may come from the defaults; the table's
    own line where nothing fits.
    """
    lines = text.splitlines()
    order: list[int] = [*range(table_line - 1, _end(lines, table_line)), *range(len(lines))]
    quoted = re.findall(r'"([^"]+)"', sentence.partition(" - did you mean")[0])[:1]
    quoted += re.findall(r"([a-z][\w.]*)=", sentence)[:1]  # a setting: reads=…
    for number in order:
        if any(word in lines[number] for word in quoted):
            return number + 1
    words = set(re.findall(r"[\w.]+", sentence.partition(" (known:")[0].replace("-", "_").replace("__", " ")))
    for key in keys:
        if key not in words:
            continue
        for number in order:
            if re.match(rf'\s*"?{re.escape(key)}"?\s*=', lines[number]):
                return number + 1
    return table_line


def _end(lines: list[str], table_line: int) -> int:
    """Return the index of the line after the table that begins at `table_line`."""
    for number in range(table_line, len(lines)):
        if _TABLE.match(lines[number]):
            return number
    return len(lines)
