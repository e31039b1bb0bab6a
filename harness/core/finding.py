"""One thing tried on this machine: whether it works, why not, and what would make it work."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """What a probe found; `mend` is the one command that fixes it, where there is one."""

    name: str
    ok: bool
    reason: str = ""
    mend: str = ""

    def as_json(self) -> dict[str, str | bool]:
        """Return the finding as plain data."""
        return {"name": self.name, "ok": self.ok, "reason": self.reason, "mend": self.mend}

    def in_words(self) -> str:
        """Return a failed one in a line: what is missing, and what to do."""
        return f"{self.name}: {self.reason}" + (f" - {self.mend}" if self.mend else "")
