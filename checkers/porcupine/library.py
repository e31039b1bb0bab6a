"""The door to the Go library: JSON in and out, and callbacks. Loading it starts Go's runtime in this process.

A process that runs Go must not fork without exec (Go's threads would be gone in the child): use `spawn` with
multiprocessing from then on.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import cffi
import msgspec

from quorate.checkers.porcupine.build import library

_DECLARATIONS: Final = """
typedef struct {
    int64_t (*step)(int64_t state, int64_t input, int64_t output);
    int32_t (*equal)(int64_t one, int64_t other);
    const char *(*describe)(int64_t state);
} quorate_model;
char *quorate_porcupine(const char *request, size_t request_length, const char *data, size_t data_length,
                        quorate_model *model, size_t *length);
void quorate_porcupine_free(char *answer);
"""


class PorcupineError(RuntimeError):
    """Porcupine refused a request; the text is Go's."""


@cache
def opened() -> tuple[Any, Any]:
    """Return cffi and the loaded library."""
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    return ffi, ffi.dlopen(str(library()))


def call(request: dict[str, Any], data: bytes = b"", model: Any = None) -> dict[str, Any]:
    """Make one request; the interpreter lock is released while Go works. Raises `PorcupineError`."""
    ffi, lib = opened()
    text = msgspec.json.encode(request)
    length = ffi.new("size_t *")
    pointer = model if model is not None else ffi.NULL
    answer = lib.quorate_porcupine(text, len(text), ffi.from_buffer(data), len(data), pointer, length)
    try:
        found: dict[str, Any] = msgspec.json.decode(bytes(ffi.buffer(answer, length[0])))
    finally:
        lib.quorate_porcupine_free(answer)
    if "error" in found:
        raise PorcupineError(found["error"])
    return found
