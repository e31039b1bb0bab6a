"""What a campaign has finished, appended as it happens, so that `--resume` after a kill -9 repeats no finished cell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.campaign.cell import Record
from quorate.harness.core.outcome import Broken

RECORDS: Final = "cells.jsonl"


class Ledger:
    """The records of one campaign's folder. One writer."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RECORDS
        self.records: list[Record] = read(folder)

    def add(self, record: Record) -> None:
        """Append and force to disk: a record that was announced is there after a crash."""
        line = msgspec.json.encode(record) + b"\n"
        try:
            with self._path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Broken("store", f"cannot write {self._path}: {error}") from error
        self.records.append(record)

    def finished(self) -> set[str]:
        """Keys of jobs that need not run again: those with a verdict. Failed infrastructure is tried anew."""
        return {f"{record.cell}/{record.turn}" for record in self.records if record.status == "done"}


def read(folder: Path) -> list[Record]:
    """Read the records, the last of each job only; a line cut by a crash is dropped and cut off the file."""
    path = folder / RECORDS
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    found: dict[tuple[str, int], Record] = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            record = msgspec.json.decode(line, type=Record)
        except msgspec.DecodeError as error:
            raise Broken("store", f"{path}:{number}: no record of a campaign: {error}") from error
        found[record.cell, record.turn] = record
    return list(found.values())
