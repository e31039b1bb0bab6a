"""Mutated campaign, schedule and inventory files: `python bench/fuzz_toml.py [COUNT] [SEED]`.

Each is read or refused with one sentence and without control characters; anything else ends the run and prints the
file. An input that takes over a second of CPU is a hang.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from quorate.checkers.words import plain
from quorate.harness.campaign.file import CampaignError, load
from quorate.harness.cluster.ssh.hosts import read_inventory
from quorate.harness.core.registry import UnknownNameError
from quorate.harness.core.test import UsageError
from quorate.nemesis.exact import read_schedule

_SLOW_S = 1.0
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_VALUES = (
    "1e999",
    "-1e999",
    "nan",
    "-1",
    "0",
    "1.5",
    "1" + "0" * 400,
    "9223372036854775808",
    "true",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "{}",
    "[]",
    "{ a = 1 }",
    "[[[]]]",
    "[1, 'a', {}]",
    '""',
    '"\\u001b[31m"',
    '"\\u202e"',
    '".."',
    '"latest"',
    '"a/b"',
    '"etcd@"',
    '["simulated"]',
    '"kill"',
    '"partition:leader"',
    '["kill", 5]',
    '"500ms"',
    '"1h"',
    "'x'",
    '"register"',
    '"set"',
)
_TOKENS = (
    *_VALUES,
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    '"',
    "'",
    "\n",
    "#",
    "\\",
    "\x1b[31m",
    "[" * 300,
    "a." * 300,
    "[matrix.system]",
    "[defaults.time]",
    "[[include]]",
    "[include]",
    "[[exclude]]",
    "[budget]",
    "[[fault]]",
    "[[hosts]]",
)
_KEYS = (
    "name",
    "seed",
    "system",
    "time",
    "settings",
    "workload",
    "faults",
    "repeat",
    "expect",
    "nodes",
    "rate",
    "at",
    "for",
    "fault",
    "target",
    "detail",
    "host",
    "port",
    "user",
    "key",
    "matrix",
    "include",
    "schedule",
    "image",
    "link",
    "strict",
)
SCHEDULE = """[[fault]]
at = "5s"
for = "3s"
fault = "partition"
target = "leader"

[[fault]]
at = 9.5
for = "500ms"
fault = "kill"
nodes = ["n1"]
"""
INVENTORY = """user = "root"
key = "/root/.ssh/id"
[[hosts]]
host = "10.0.0.1"
[[hosts]]
host = "10.0.0.2"
port = 2222
"""
CAMPAIGN = """name = "gate"
seed = 7
[defaults]
system = "simulated"
time = "10s"
settings = { read_share = 0.3 }
[matrix]
workload = ["register", "set"]
faults = ["none", "partition,kill"]
[[include]]
settings = { bug = "stale-read" }
expect = "invalid"
[[exclude]]
workload = "set"
faults = "none"
[budget]
time = "1h"
"""
_KINDS = {
    "campaign": (load, CAMPAIGN),
    "schedule": (read_schedule, SCHEDULE),
    "inventory": (read_inventory, INVENTORY),
}


def mutate(rng: Random, text: str) -> str:
    """Change a file in one to five places, most often at the ends of values and lines."""
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        places = [at.start() for at in re.finditer(r"[=\n\[\]\"]", text)] or [0]
        at = rng.choice((rng.randrange(len(text) + 1), rng.choice(places), rng.choice(places) + 1))
        lines = text.split("\n")
        match rng.randrange(10):
            case 6 | 7 | 8:  # a value that TOML takes, where another was
                at = rng.choice([number for number, line in enumerate(lines) if "=" in line] or [0])
                lines[at] = f"{lines[at].partition('=')[0].strip() or 'a'} = {rng.choice(_VALUES)}"
                text = "\n".join(lines)
            case 9:
                lines.insert(rng.randrange(len(lines) + 1), f"{rng.choice(_KEYS)} = {rng.choice(_VALUES)}")
                text = "\n".join(lines)
            case 0:
                text = text[:at] + rng.choice(_TOKENS) + text[at:]
            case 1:
                text = text[:at] + text[at + rng.choice((1, 1, 3, 20)) :]
            case 2:
                text = re.sub(
                    r"= .*", lambda _: f"= {rng.choice(_TOKENS)}", text, count=rng.choice((1, 1, 2))
                )
            case 3:
                rng.shuffle(lines)
                text = "\n".join(lines)
            case 4:
                lines.insert(rng.randrange(len(lines) + 1), rng.choice(_TOKENS))
                text = "\n".join(lines)
            case _:
                lines[rng.randrange(len(lines))] = f"{rng.choice(_TOKENS)} = {rng.choice(_TOKENS)}"
                text = "\n".join(lines)
    return text


def main() -> int:
    """Fuzz; return 1 at the first input that is not answered as it should be."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rng = Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    ended: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "file.toml"
        for number in range(count):
            kind = rng.choice(list(_KINDS))
            read, sample = _KINDS[kind]
            text = mutate(rng, sample)
            path.write_text(text)
            begun = time.process_time()
            try:
                read(path)
                ended[f"{kind} read"] += 1
            except (CampaignError, UsageError, UnknownNameError) as error:
                ended[f"{kind} refused"] += 1
                said = plain(str(error))
                if not said.strip() or _CONTROL.search(said.replace("\n", " ")):
                    print(f"input {number}: {said!r}\n{text}", file=sys.stderr)
                    return 1
            except BaseException:
                print(f"input {number}, a {kind}:\n{text}", file=sys.stderr)
                raise
            took = time.process_time() - begun
            slowest = max(slowest, took)
            if took > _SLOW_S:
                print(f"input {number} took {took:.1f} s:\n{text}", file=sys.stderr)
                return 1
    print(f"{count:,} files: {', '.join(f'{name} {many:,}' for name, many in sorted(ended.items()))}")
    print(f"no traceback, no control character; the slowest took {slowest * 1e3:.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
