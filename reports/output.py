"""Writing a report: whole or not at all, and never failing over a letter that UTF-8 does not have."""

from __future__ import annotations

from pathlib import Path

from quorate.harness.core.outcome import Broken


def octets(content: str) -> bytes:
    """Encode; half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark."""
    return content.encode("utf-8", "replace")


def write(target: Path, content: str) -> Path:
    """Write a file atomically: a reader sees the old one or the new one. Raises `Broken` where that cannot be."""
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        temporary.write_bytes(octets(content))
        temporary.replace(target)
    except OSError as error:
        raise Broken("report", f"cannot write {target}: {error}") from error
    return target
