"""Reads jute, ZooKeeper's own serialization: big-endian numbers, and buffers, strings and vectors behind a length."""

from __future__ import annotations

import struct
from typing import Final

_BOOL: Final = struct.Struct("!?")
_INT: Final = struct.Struct("!i")
_LONG: Final = struct.Struct("!q")
_VECTOR_MAX: Final = 1_000_000


class JuteError(ValueError):
    """Bytes that are not what they should be."""


class Cursor:
    """A place in bytes, moved on by each reading; `JuteError` for what goes beyond the end."""

    __slots__ = ("at", "content")

    def __init__(self, content: bytes, at: int = 0) -> None:
        self.content = content
        self.at = at

    def _number(self, form: struct.Struct) -> int:
        if self.at + form.size > len(self.content):
            raise JuteError(f"a number at byte {self.at} is cut off")
        (found,) = form.unpack_from(self.content, self.at)
        self.at += form.size
        return int(found)

    def boolean(self) -> bool:
        """Read a boolean."""
        return bool(self._number(_BOOL))

    def number(self) -> int:
        """Read 32 bits."""
        return self._number(_INT)

    def long(self) -> int:
        """Read 64 bits."""
        return self._number(_LONG)

    def buffer(self) -> bytes | None:
        """Read bytes; a length of -1 means None."""
        start, length = self.at, self.number()
        if length == -1:
            return None
        if not 0 <= length <= len(self.content) - self.at:
            raise JuteError(f"the {length} bytes announced at byte {start} are not there")
        self.at += length
        return self.content[self.at - length : self.at]

    def string(self) -> str:
        """Read a string."""
        return (self.buffer() or b"").decode(errors="backslashreplace")

    def count(self) -> int:
        """Read the length of a vector; one of -1, which means None, is empty."""
        found = self.number()
        if not -1 <= found <= _VECTOR_MAX:
            raise JuteError(f"a vector of {found} elements before byte {self.at}")
        return max(0, found)

    def skip_acl(self) -> None:
        """Pass over a vector of permissions: who may do what."""
        for _ in range(self.count()):
            self.number()
            self.buffer()
            self.buffer()

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self.at >= len(self.content)
