"""Anomalies that are known already and must not hide others: named on the command line, or in a file with reasons.

    [[waiver]]
    anomaly = "watches-are-reliable:missed-deletion"
    system = "etcd"
    link = "https://github.com/etcd-io/etcd/issues/18089"
    reason = "fixed in 3.5.16; this fleet is upgraded in May"

`anomaly` is a signature, with or without its cause, or a guarantee or kind alone. `system` may be left out, and may
carry a release.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core.outcome import UsageError
from quorate.harness.core.signature import Signature

_BYTES_MAX: Final = 1 << 20


class Waiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One anomaly that does not count. `reason` says why, `link` where it is reported; both are shown beside it."""

    anomaly: str
    system: str = ""
    reason: str = ""
    link: str = ""

    def covers(self, signature: Signature, system: str) -> bool:
        """Whether it means this anomaly of this system (as typed: `etcd@3.5.16`)."""
        own = self.system in {"", system, system.partition("@")[0]}
        return own and signature.matches(self.anomaly)


def of_words(kinds: Sequence[str]) -> list[Waiver]:
    """Return waivers for what `--ignore` names."""
    return [Waiver(kind, reason="--ignore") for kind in kinds]


def read(path: Path) -> list[Waiver]:
    """Return the waivers of a file; raise `UsageError` for one that cannot be read or says something else."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise UsageError(f"{path}: waivers of more than {_BYTES_MAX >> 20} MiB are a mistake")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the waivers {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    rows = content.pop("waiver", None)
    if content or not isinstance(rows, list):
        raise UsageError(f"{path}: write [[waiver]] tables only")
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(msgspec.convert(row, Waiver))
        except msgspec.ValidationError as error:
            raise UsageError(f"{path}, waiver {number}: {error}") from error
    return found
