"""Random damage to a stored run: to its JSON, or to its bytes."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

JUNK: list[Any] = [
    None,
    True,
    -1,
    1e308,
    float("nan"),
    "",
    "x" * 5000,
    [],
    [[]],
    {},
    {"a": [1]},
    "\ud800",
    2**70,
]


def damage_json(value: Any, rng: Random) -> Any:
    """Replace, drop or double one place somewhere in a JSON value."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        changed = damage_json(value[key], rng)
        return {**value, key: changed} if rng.random() < 0.9 else {k: v for k, v in value.items() if k != key}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], damage_json(value[at], rng), *value[at + rng.randrange(2) :]]
    return rng.choice(JUNK)


def damage(folder: Path, rng: Random) -> None:
    """Damage one to three files: as JSON, or as bytes."""
    for _ in range(rng.randint(1, 3)):
        path = rng.choice([path for path in folder.rglob("*") if path.is_file()])
        content = path.read_bytes()
        if path.suffix == ".json" and rng.random() < 0.7:
            try:
                path.write_text(json.dumps(damage_json(json.loads(content), rng)))
            except ValueError:
                continue
        elif content:
            kind, at = rng.randrange(4), rng.randrange(len(content))
            flipped = bytes([content[at] ^ (1 << rng.randrange(8))])
            new = [content[:at], content[:at] + flipped + content[at + 1 :], b"", rng.randbytes(200)][kind]
            path.write_bytes(new)
