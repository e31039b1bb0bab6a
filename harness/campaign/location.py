"""Where in a TOML file a key stands, so that every error names its line (the parser of the library does not)."""

from __future__ import annotations

import re

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
