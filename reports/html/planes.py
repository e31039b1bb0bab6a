"""Operations packed for the page: integer columns as byte planes, texts beside them, one gzip stream.

A browser unpacks this with `DecompressionStream` alone. Each column is turned into small non-negative numbers first
(differences, or how long ago a value was new), then written plane by plane: all lowest bytes, then all second-lowest
ones, and so on. Measured on register histories this takes 5 to 7 bytes an operation. `data.js` is the reader.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from quorate.harness.history.columns import FAIL, INFO, OK
from quorate.harness.history.operations import NEVER
from quorate.reports.operations import Operations, as_json

Ints = npt.NDArray[np.int64]

_VALUE_SHORT: Final = 60
_LEVEL: Final = 6
_DIGITS_MAX: Final = 15  # what a JavaScript number holds exactly
_NUMBER: Final = re.compile(r"(?<![\w.])(?:0|[1-9]\d{0,14})(?![\w.])", re.ASCII)
# JSON texts hold no control characters, so this one is free to mark a hole.
HOLE: Final = "\x01"
_GZIP: Final = 31  # zlib's way to ask for a gzip header
# Five characters for four bytes, none of which means anything in HTML; base64 would take a fifteenth more.
ALPHABET: Final = bytes(code for code in range(33, 127) if chr(code) not in "<>&\"'`\\")[:85]


class Blob:
    """Collects columns and texts; `pack()` gives the text for the page."""

    def __init__(self) -> None:
        self.columns: list[dict[str, Any]] = []
        self.parts: list[bytes] = []

    def add(self, name: str, values: Ints, how: str = "plain") -> None:
        """Add a column; `how` is plain, delta (signed differences) or novel (0 is a value never seen before)."""
        if how == "delta":
            steps = np.diff(values, prepend=0)
            values = (steps << 1) ^ (steps >> 63)
        elif how == "novel":
            most = np.maximum.accumulate(values) if len(values) else values
            before = np.concatenate(([-1], most[:-1])) if len(values) else values
            values = np.where(values > before, 0, before - values + 1)
        width = max(1, (int(values.max()).bit_length() + 7) // 8) if len(values) else 1
        self.columns.append({"name": name, "how": how, "width": width, "n": len(values)})
        octets = np.ascontiguousarray(values.astype("<u8")).view(np.uint8).reshape(-1, 8)
        self.parts += [octets[:, plane].tobytes() for plane in range(width)]

    def text(self, name: str, lines: Sequence[str]) -> None:
        """Add texts, one a line; a text with a line break in it has it replaced."""
        content = "\n".join(line.replace("\n", " ") for line in lines).encode("utf-8", "replace")
        self.columns.append({"name": name, "how": "text", "width": len(content), "n": len(lines)})
        self.parts.append(content)

    def pack(self, extra: Mapping[str, Any]) -> str:
        """Compress everything behind a header that says where what is."""
        header = json.dumps({**extra, "columns": self.columns}, separators=(",", ":")).encode()
        squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        pieces = [squeeze.compress(len(header).to_bytes(4, "little")), squeeze.compress(header)]
        pieces += [squeeze.compress(part) for part in self.parts]
        pieces.append(squeeze.flush())
        return base85(b"".join(pieces))


def base85(octets: bytes) -> str:
    """Write bytes as text, big end first; their number stands before a colon, because the last group is filled."""
    groups = np.frombuffer(octets + bytes(-len(octets) % 4), dtype=">u4").astype(np.uint32)
    digits = np.empty((len(groups), 5), dtype=np.uint8)
    for column in range(4, -1, -1):
        groups, digits[:, column] = np.divmod(groups, 85)
    return f"{len(octets)}:" + np.frombuffer(ALPHABET, dtype=np.uint8)[digits].tobytes().decode("ascii")


def pack(operations: Operations, wanted: Ints, extra: Mapping[str, Any], budget: int) -> tuple[str, str]:
    """Return the packed operations in at most `budget` characters, and a sentence on what was left out (or "").

    `wanted` are positions of operations that must stay whole whatever is dropped (those of anomalies). Dropped in
    turn: digits of latencies, long values, versions, other values, operations themselves, evenly, `ok` ones first.
    """
    everything = np.arange(len(operations))
    tries: list[tuple[str, dict[str, Any]]] = [
        ("", {}),
        ("Latencies are rounded to three digits.", {"digits": True}),
        (f"Values longer than {_VALUE_SHORT} characters are cut.", {"digits": True, "length": _VALUE_SHORT}),
        (
            "Long values are cut and versions left out.",
            {"digits": True, "length": _VALUE_SHORT, "versions": False},
        ),
        (
            "Values are shown for the anomalies' operations only.",
            {"digits": True, "length": _VALUE_SHORT, "versions": False, "values": False},
        ),
    ]
    text = ""
    for left_out, options in tries:
        text = _packed(operations, everything, wanted, extra, options)
        if len(text) <= budget:
            return text, _sentence(left_out)
    for _ in range(4):
        # What a text takes grows with the operations in it, so one try gives the share to keep.
        keep = max(1000, int(len(everything) * budget / len(text) * 0.95))
        everything = _sample(operations, everything, wanted, keep)
        text = _packed(operations, everything, wanted, extra, tries[-1][1])
        if len(text) <= budget:
            break
    left_out = f"{len(everything):,} of {len(operations):,} operations are shown, with values for the anomalies' only."
    return text, _sentence(left_out)


def _sentence(left_out: str) -> str:
    return f"{left_out} The whole history is in history.jsonl.zst." if left_out else ""


def _sample(operations: Operations, chosen: Ints, wanted: Ints, keep: int) -> Ints:
    """Keep what is wanted, then failed and unknown operations, then an even share of the rest."""
    outcome = operations.outcome[chosen]
    first = np.union1d(chosen[(outcome == FAIL) | (outcome == INFO)], wanted)
    if len(first) > keep:
        spread = first[np.linspace(0, len(first) - 1, max(1, keep - len(wanted))).astype(np.int64)]
        return np.union1d(spread, wanted)
    rest = np.setdiff1d(chosen, first, assume_unique=True)
    room = min(len(rest), keep - len(first))
    spread = rest[np.linspace(0, len(rest) - 1, room).astype(np.int64)] if room else rest[:0]
    return np.union1d(first, spread)


def _packed(
    operations: Operations, chosen: Ints, wanted: Ints, extra: Mapping[str, Any], options: Mapping[str, Any]
) -> str:
    o, blob = operations, Blob()
    took = o.took_us[chosen]
    if options.get("digits"):
        took = _rounded(took)
    blob.add("begin", o.begin_us[chosen], "delta")
    blob.add("took", np.where(took == NEVER, 0, took + 1))
    blob.add("process", o.process[chosen])
    blob.add("outcome", o.outcome[chosen] - OK)  # data.js counts from ok
    blob.add("f", o.f[chosen])
    blob.add("key_", o.key[chosen])
    blob.add("node", o.place[chosen])
    blob.add("error", o.error[chosen])
    blob.add("invoked", o.invoked[chosen], "delta")
    version = o.version[chosen] if options.get("versions", True) else np.full(len(chosen), -1)
    has = version >= 0
    blob.add("versioned", has.astype(np.int64))
    blob.add("version", version[has], "delta")
    _values(blob, o, chosen, wanted, options)
    blob.text("functions", o.functions)
    blob.text("keys", [_cut(text, 200) for text in o.keys])
    blob.text("nodes", o.nodes)
    blob.text("errors", [_cut(as_json(error), 200) for error in o.errors])
    return blob.pack(extra)


def _values(blob: Blob, o: Operations, chosen: Ints, wanted: Ints, options: Mapping[str, Any]) -> None:
    """Add what each operation asked for or got (`value`), and what it got beside what it asked for (`more`)."""
    asked, got = o.asked[chosen], o.got[chosen]
    null = o.texts.index("null") if "null" in o.texts else -1
    value = np.where(asked == null, got, asked)
    more = np.where((asked == null) | (got == asked), null, got)
    if not options.get("values", True):
        kept = np.isin(chosen, wanted)
        value, more = np.where(kept, value, -2), np.where(kept, more, -2)
    codes, order = pd.factorize(np.concatenate((value, more)))
    length = options.get("length", 0)
    texts = ["" if code == -2 else _cut(o.texts[code], length) for code in order.tolist()]  # noqa: PLR2004
    codes = codes.astype(np.int64)
    blob.add("value", codes[: len(chosen)], "novel")
    blob.add("more", codes[len(chosen) :])
    _texts(blob, texts)


def _texts(blob: Blob, texts: list[str]) -> None:
    """Add texts as forms with holes for whole numbers: histories differ in their numbers, hardly in their forms."""
    forms: dict[str, int] = {HOLE: 0}
    form = np.zeros(len(texts), dtype=np.int64)
    numbers: list[int] = []
    for position, text in enumerate(texts):
        if len(text) < _DIGITS_MAX and text.isdecimal() and (text[0] != "0" or text == "0"):
            numbers.append(int(text))
            continue
        numbers += map(int, _NUMBER.findall(text))
        form[position] = forms.setdefault(_NUMBER.sub(HOLE, text), len(forms))
    blob.add("form", form)
    blob.add("numbers", np.array(numbers, dtype=np.int64), "delta")
    blob.text("forms", list(forms))


def _rounded(took: Ints) -> Ints:
    """Keep three digits of a latency above a millisecond; the first step down in size."""
    unit = 10 ** np.maximum(0, np.log10(np.maximum(took, 1)).astype(np.int64) - 2)
    return np.where(took > 1000, (took // unit) * unit, took)  # noqa: PLR2004 - a millisecond


def _cut(text: str, length: int) -> str:
    return text if not length or len(text) <= length else text[: length - 1] + "…"
