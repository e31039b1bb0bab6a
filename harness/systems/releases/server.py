"""What resolving a release gives, and the note beside it in the cache."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Manifest(msgspec.Struct, frozen=True):
    """How a cached server was made: `files` are checksums (SHA-256, hex) by path below its folder."""

    system: str
    release: str
    how: str
    made_at: str
    files: dict[str, str]


class Server(msgspec.Struct, frozen=True):
    """A release on this host: its `folder` in the cache and in words `how` it was had."""

    system: str
    release: str
    how: str
    folder: Path

    @property
    def binary(self) -> Path:
        """The executable of etcd or Consul."""
        return self.folder / self.system

    @property
    def jars(self) -> Path:
        """The folder of ZooKeeper's jars."""
        return self.folder / "jars"

    @property
    def title(self) -> str:
        """For people: `3.7.3 (built from the Go module)`."""
        return f"{self.release} ({self.how})"
