"""Answers that an experiment has paid for, appended as they come: started again, it asks none of them twice.

An experiment is a function of its answers, so only those need be kept: it takes the same way again, quickly, up to
the question at which it was ended.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core.outcome import Broken
from quorate.harness.experiments.decide import Decision

DECISIONS: Final = "decisions.jsonl"


class Line(msgspec.Struct, frozen=True):
    """One answer as the file has it; `words` are for people."""

    key: str
    words: str
    decision: Decision


class Memo:
    """The answers of one experiment's folder. One writer."""

    def __init__(self, folder: Path) -> None:
        """Read what there is; a line cut by a crash is dropped. Raise `Broken` for a file that is none of ours."""
        self._path = folder / DECISIONS
        self.lines: list[Line] = []
        content = self._path.read_bytes() if self._path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._path.write_bytes(whole)
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self.lines.append(msgspec.json.decode(line, type=Line))
            except msgspec.DecodeError as error:
                raise Broken(
                    "store", f"{self._path}:{number}: no answer of an experiment: {error}"
                ) from error
        self._known = {line.key: line.decision for line in self.lines}

    def known(self, key: str) -> Decision | None:
        """Return the answer to a question that was decided before."""
        return self._known.get(key)

    def add(self, key: str, words: str, decision: Decision) -> None:
        """Append and force to disk."""
        line = Line(key, words, decision)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Broken("store", f"cannot write {self._path}: {error}") from error
        self.lines.append(line)
        self._known[key] = decision
