"""The inventory: which hosts there are and how to log in, from a TOML file.

user = "root"                      # defaults for all hosts, each may be set for one host too
key = "~/.ssh/id_ed25519"
known_hosts = "~/.ssh/known_hosts"
directory = "/var/lib/quorate"     # where each host keeps what runs need; made if it is missing
sudo = false                       # true: become root by `sudo -n`

[[hosts]]
host = "db1.example.org"           # name or address to log in to
address = "10.0.0.1"               # IPv4 address that servers and clients use; `host` if that is one
port = 22
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any

import msgspec

from quorate.harness.core import safely
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One host, and how to log in."""

    host: str
    user: str = "root"
    key: str = "~/.ssh/id_ed25519"
    port: int = 22
    directory: str = "/var/lib/quorate"
    address: str = ""
    known_hosts: str = "~/.ssh/known_hosts"
    sudo: bool = False

    @property
    def shown(self) -> str:
        """The host as messages name it."""
        return f"{self.user}@{self.host}:{self.port}"


def read_inventory(path: Path) -> list[Host]:
    """Read the hosts of an inventory; raises `UsageError` with the line or field that is wrong."""
    try:
        raw = safely.toml(path)
    except safely.TomlError as error:
        raise UsageError(f"cannot read the inventory {path}: {error}") from error
    return parse_inventory(raw, str(path))


def parse_inventory(raw: dict[str, Any], name: str = "the inventory") -> list[Host]:
    """Return the hosts, each with the file's defaults filled in."""
    defaults = {key: value for key, value in raw.items() if key != "hosts"}
    entries = raw.get("hosts")
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{name} has no [[hosts]]")
    hosts = []
    for number, entry in enumerate(entries, start=1):
        try:
            hosts.append(msgspec.convert({**defaults, **entry}, Host))
        except (msgspec.ValidationError, TypeError) as error:
            raise UsageError(f"{name}, host {number}: {error}") from error
        if not hosts[-1].directory.startswith("/") or hosts[-1].directory == "/":
            raise UsageError(f"{name}, host {number}: directory must be an absolute path below /")
    places = [(host.host, host.port, host.directory) for host in hosts]
    if len(set(places)) != len(places):
        raise UsageError(f"{name} names a host twice")
    return hosts


def address_of(host: Host) -> str:
    """Return the IPv4 literal that servers and clients use; raises `Broken` where the name has none."""
    wanted = host.address or host.host
    try:
        return str(ipaddress.IPv4Address(wanted))
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(wanted, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise Broken("bad-inventory", f"{wanted} has no IPv4 address ({error}): set `address`") from error
    return str(found[0][4][0])
