"""Mutated inputs against the importers: none may crash, hang, fail in an unforeseen way, or be accepted wrongly.

`python bench/fuzz_import.py [COUNT] [SEED]` mutates the sample histories of every format (a million times by default)
in two processes. An input may be read or be refused with a line; what is read must be a history that
holds together: pairs that point at each other, one open operation per process, texts that are JSON, and a reading
of its export that gives the same again. A process that dies is a crash; an input that takes over a second (of CPU:
the machine may have other work) is a hang.
"""

from __future__ import annotations

import json
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from quorate.harness.history import HistoryError
from quorate.harness.history.columns import NONE, Columns
from quorate.harness.history.native import About, Handle

_DATA = Path(__file__).parent.parent / "tests" / "data" / "histories"
_LONGEST = 1500
_SLOW_S = 1.0
_WORKERS = 2
_TOKENS = (
    *(b"{ } [ ] ( ) , : ; # #_ #{ ## ^ \\ \" ' \n \t \0 \r - + . / e E N M").split(b" "),
    b"null", b"nil", b"true", b"false", b":ok", b":invoke", b":info", b":fail", b'"ok"', b'"invoke"', b"0", b"-1",
    b"9223372036854775807", b"-9223372036854775808", b"1e999", b"2147483648", b"4294967295", b'"nemesis"',
    b":nemesis", b"\xff", b"\xc3\xa9", b"\\ud83d", b"\\u0000", b"\\ud83d\\ude00", b"#jepsen.independent.Tuple",
    b"[1 nil]", b"[1,null]", b'"index_of_invoke":0', b'"version":5', b":key 1", b"INFO ", b"[[[[[[[[", b"{{{{{{",
)  # fmt: skip


def seeds() -> list[bytes]:
    """Return the first lines of every sample."""
    files = [path for path in sorted(_DATA.rglob("*")) if path.is_file() and path.suffix != ".md"]
    found = []
    for path in files:
        data = path.read_bytes()[:_LONGEST]
        found += [data, data[: data.find(b"\n", len(data) // 3) + 1] or data]
    return found


def mutate(rng: random.Random, samples: list[bytes]) -> bytes:
    """Change a sample in one to six places."""
    data = bytearray(rng.choice(samples))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(9):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                data[at:at] = rng.choice(_TOKENS)
            case 2:
                del data[at : at + rng.choice((1, 1, 2, 5, 40))]
            case 3:
                end = at + rng.randrange(60)
                data[at:at] = data[at:end]
            case 4:
                other = rng.choice(samples)
                start = rng.randrange(len(other) + 1)
                data[at:at] = other[start : start + rng.randrange(120)]
            case 5:
                del data[at:]
            case 6:
                data[at : at + 1] = rng.choice(_TOKENS)
            case 7:
                lines = data.split(b"\n")
                rng.shuffle(lines)
                data = bytearray(b"\n".join(lines))
            case _:
                data[at : at + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
    return bytes(data)


def feed(data: bytes, cuts: list[int], format: str | None) -> tuple[Handle, About]:  # noqa: A002
    """Read `data` in chunks that end at `cuts`."""
    handle = Handle(format)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        handle.feed(data[start:end])
    return handle, handle.finish()


def verify(handle: Handle) -> None:
    """Raise unless what was accepted holds together."""
    columns = Columns(handle)
    count = len(columns)
    positions = np.arange(count)
    paired = columns.pair != NONE
    assert (columns.pair[columns.pair[paired]] == positions[paired]).all(), "pairs do not point at each other"
    clients = columns.process >= 0
    assert (columns.process >= -1).all(), "a process below nemesis"
    assert (columns.kind <= 3).all(), "a kind that is none"
    completions = clients & (columns.kind != 0)
    assert paired[completions].all(), "a completion without invocation"
    assert (columns.pair[completions] < positions[completions]).all(), "a completion before its invocation"
    assert (columns.f[paired & clients] == columns.f[columns.pair[paired & clients]]).all(), (
        "another function"
    )
    assert (np.diff(columns.index) > 0).all(), "indexes that do not rise"
    open_now: set[int] = set()
    for process, kind in zip(columns.process.tolist(), columns.kind.tolist(), strict=True):
        if process >= 0 and kind == 0:
            assert process not in open_now, "two open operations"
            open_now.add(process)
        elif process >= 0:
            open_now.discard(process)
    for column in (columns.f, columns.key, columns.value, columns.node, columns.error):
        columns.texts(column)
    lines = handle.write("jsonl", 0, count)
    again, _ = feed(lines, [], "jsonl")
    assert again.write("jsonl", 0, count) == lines, ("another history after an export", lines)


def verify_json(data: bytes, count: int) -> None:
    """Raise unless Python's own parser takes the same text for the same number of events."""
    text = data.decode("utf-8-sig")
    decoder, at, found = json.JSONDecoder(), 0, 0
    while (at := at + len(text[at:]) - len(text[at:].lstrip(" \t\r\n"))) < len(text):
        value, at = decoder.raw_decode(text, at)
        found += len(value) if isinstance(value, list) else 1
    assert found == count, "another number of events than Python finds"


def work(count: int, seed: int) -> tuple[int, int, int, float]:
    """Try `count` inputs; return how many were read, refused, and cut, and the slowest in seconds."""
    rng, samples = random.Random(seed), seeds()
    accepted, refused, events, slowest = 0, 0, 0, 0.0
    for _ in range(count):
        data = mutate(rng, samples)
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 3))))
        forced = rng.choice((None, None, None, "jsonl", "edn", "text"))
        start = time.thread_time()  # other work on the machine makes no input slow
        try:
            handle, about = feed(data, cuts, forced)
            verify(handle)
            if about.format == "jsonl" and not about.truncated:
                verify_json(data, len(handle))
            accepted += 1
            events += len(handle)
        except HistoryError as error:
            if not 1 <= error.line <= data.count(b"\n") + 1:
                raise RuntimeError(data) from error
            refused += 1
        except BaseException:
            print(f"\nfailed on {data!r}\nformat {forced}, cuts {cuts}", file=sys.stderr)
            raise
        taken = time.thread_time() - start
        assert taken < _SLOW_S, f"{taken:.1f} s for {data!r}"
        slowest = max(slowest, taken)
    return accepted, refused, events, slowest


def main() -> None:
    count = int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    batches = max(_WORKERS, count // 5000)
    start = time.perf_counter()
    with ProcessPoolExecutor(_WORKERS) as pool:
        parts = list(
            pool.map(work, [count // batches] * batches, range(seed * 10**6, seed * 10**6 + batches))
        )
    accepted, refused, events = (sum(part[i] for part in parts) for i in range(3))
    took, worst_ms = time.perf_counter() - start, max(part[3] for part in parts) * 1e3
    print(f"{accepted + refused:,} inputs in {took:.0f} s: {accepted:,} read, {refused:,} refused")
    print(f"{events:,} events read; slowest input {worst_ms:.0f} ms; no crash, hang or panic")


if __name__ == "__main__":
    main()
