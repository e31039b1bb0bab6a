"""Which etcd runs on which node, and putting it there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.placing import Servers
from quorate.harness.systems.releases import resolve_async
from quorate.harness.systems.releases.way import numbers

# Where images keep it: etcd's own images, Debian's package, bitnami's.
_USUAL: Final = ("/usr/local/bin/etcd", "/usr/bin/etcd", "/opt/bitnami/etcd/bin/etcd", "/bin/etcd", "/etcd")
_VERSION: Final = re.compile(r"etcd Version:\s*(\S+)")
_ASK_S: Final = 20.0


class Installed(msgspec.Struct, frozen=True):
    """The server on a node: its path there, its release, and where it came from, for people."""

    binary: str
    release: str
    title: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The release as numbers that compare."""
        return numbers(self.release)


class EtcdServers(Servers[tuple[Path, Installed], Installed]):
    """etcds: one binary each, which is asked for its version."""

    system = "etcd"

    def _own(self, path: str) -> tuple[Path, Installed]:
        """Check a binary of the user's own by asking for its version."""
        binary = Path(path).expanduser().absolute()
        if not binary.is_file() or not os.access(binary, os.X_OK):
            raise Broken("bad-binary", f"binary={path} is not an executable file")
        try:
            done = subprocess.run(
                [binary, "--version"], capture_output=True, text=True, timeout=_ASK_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Broken("bad-binary", f"binary={path} does not run: {error}") from error
        release = _version(done.stdout + done.stderr, f"binary={path}")
        return binary, Installed(str(binary), release, f"{release} (your own {binary})")

    def _titled(self, found: tuple[Path, Installed], how: str) -> tuple[Path, Installed]:
        path, server = found
        return path, msgspec.structs.replace(server, title=f"{server.release} ({how})")

    async def _resolved(self, release: str | None) -> tuple[Path, Installed]:
        server = await resolve_async("etcd", release)
        return server.binary, Installed(str(server.binary), server.release, server.title)

    async def _put(self, node: Node, found: tuple[Path, Installed]) -> Installed:
        source, server = found
        # A path for each release: a running binary cannot be written to.
        target = f"{node.directory}/bin/etcd-{server.release}"
        await node.put(source, target, mode=0o755)
        return msgspec.structs.replace(server, binary=target)

    async def _in_image(self, node: Node, image: str) -> Installed:
        """Find the server in the node's image; its entry point is not used, and it may have no shell."""
        for path in _USUAL:
            try:
                done = await node.run([path, "--version"], timeout_s=_ASK_S, check=False)
            except Broken:
                continue
            if done.code == 0:
                release = _version(done.stdout + done.stderr, f"{path} in {image}")
                return Installed(path, release, f"{release} (found in the image {image} as {path})")
        for path in await _in_path(node):
            done = await node.run([path, "--version"], timeout_s=_ASK_S, check=False)
            release = _version(done.stdout + done.stderr, f"{path} in {image}")
            return Installed(path, release, f"{release} (found in the image {image} as {path})")
        raise Broken(
            "no-server", f"the image {image} has no etcd (looked in PATH and at {', '.join(_USUAL)})"
        )


async def _in_path(node: Node) -> list[str]:
    try:
        done = await node.run(["/bin/sh", "-c", "command -v etcd"], check=False)
    except Broken:
        return []
    return [done.stdout.strip()] if done.code == 0 and done.stdout.strip() else []


def _version(output: str, what: str) -> str:
    found = _VERSION.search(output)
    if found is None:
        raise Broken("bad-binary", f"{what} is not etcd: --version printed {output[:200]!r}")
    return found.group(1)
