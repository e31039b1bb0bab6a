"""Reads msgpack as raft's codec writes it: before there was a type of bytes, so that texts are bytes here, too.

Keys of maps become texts. Extension types become their bytes. Nothing goes beyond the end of what is given.
"""

from __future__ import annotations

import struct
from typing import Any, Final

_DEPTH_MAX: Final = 32
# Small numbers, maps, arrays and texts are one byte with their value or length in it, which begin here.
_MAP, _ARRAY, _TEXT, _NIL, _NEGATIVE = 0x80, 0x90, 0xA0, 0xC0, 0xE0
_NUMBERS: Final = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
_BYTES: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENSIONS: Final = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED_EXTENSIONS: Final = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_ARRAYS: Final = {0xDC: 2, 0xDD: 4}
_MAPS: Final = {0xDE: 2, 0xDF: 4}


class MsgpackError(ValueError):
    """Bytes that are not msgpack."""


def read(content: bytes, at: int = 0) -> tuple[Any, int]:
    """Read one value; return it and the place behind it. Raises `MsgpackError`."""
    return _Reader(content).value(at, 0)


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def value(self, at: int, depth: int) -> tuple[Any, int]:  # noqa: PLR0911 - the format's table
        if depth > _DEPTH_MAX:
            raise MsgpackError("it is nested too deeply")
        code = self._take(at, 1)[0]
        at += 1
        if code < _MAP:
            return code, at
        if code >= _NEGATIVE:
            return code - 0x100, at
        if code in _CONSTANTS:
            return _CONSTANTS[code], at
        if code in _NUMBERS:
            form = struct.Struct(_NUMBERS[code])
            return form.unpack(self._take(at, form.size))[0], at + form.size
        if code < _ARRAY or code in _MAPS:
            count, at = (code & 0x0F, at) if code < _ARRAY else self._length(at, _MAPS[code])
            return self._map(at, count, depth + 1)
        if code < _TEXT or code in _ARRAYS:
            count, at = (code & 0x0F, at) if code < _TEXT else self._length(at, _ARRAYS[code])
            return self._array(at, count, depth + 1)
        return self._text(code, at)

    def _text(self, code: int, at: int) -> tuple[bytes, int]:
        if code < _NIL:
            length = code & 0x1F
        elif code in _BYTES:
            length, at = self._length(at, _BYTES[code])
        elif code in _EXTENSIONS:
            length, at = self._length(at, _EXTENSIONS[code])
            at += 1  # its type
        elif code in _FIXED_EXTENSIONS:
            length, at = _FIXED_EXTENSIONS[code], at + 1
        else:
            raise MsgpackError(f"byte {code:#x} begins no value")
        return self._take(at, length), at + length

    def _array(self, at: int, count: int, depth: int) -> tuple[list[Any], int]:
        found = []
        for _ in range(count):
            value, at = self.value(at, depth)
            found.append(value)
        return found, at

    def _map(self, at: int, count: int, depth: int) -> tuple[dict[str, object], int]:
        found: dict[str, object] = {}
        for _ in range(count):
            key, at = self.value(at, depth)
            value, at = self.value(at, depth)
            found[key.decode(errors="replace") if isinstance(key, bytes) else str(key)] = value
        return found, at

    def _length(self, at: int, size: int) -> tuple[int, int]:
        return int.from_bytes(self._take(at, size), "big"), at + size

    def _take(self, at: int, count: int) -> bytes:
        if at + count > len(self._content):
            raise MsgpackError(f"what begins at byte {at} is cut off")
        return self._content[at : at + count]
