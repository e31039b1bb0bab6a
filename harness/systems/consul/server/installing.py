"""Which Consul runs on which node, and putting it there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.placing import Servers
from quorate.harness.systems.releases import resolve_async

# Where images keep it: Consul's own, Debian's package, bitnami's.
_USUAL: Final = ("/bin/consul", "/usr/bin/consul", "/usr/local/bin/consul", "/opt/bitnami/consul/bin/consul")
_ASK_S: Final = 20.0
Found: TypeAlias = tuple[Path, str]  # a binary on this host, and what it is called


class Installed(msgspec.Struct, frozen=True):
    """The server on a node: its path there, and where it came from, for people."""

    binary: str
    title: str


class ConsulServers(Servers[Found, Installed]):
    """Consuls: one binary each."""

    system = "consul"

    def _own(self, path: str) -> Found:
        binary = Path(path).expanduser().absolute()
        if not binary.is_file() or not os.access(binary, os.X_OK):
            raise Broken("bad-binary", f"binary={path} is not an executable file")
        return binary, f"own (your own {binary})"

    def _titled(self, found: Found, how: str) -> Found:
        return found[0], f"own ({how})"

    async def _resolved(self, release: str | None) -> Found:
        server = await resolve_async("consul", release)
        return server.binary, server.title

    async def _put(self, node: Node, found: Found) -> Installed:
        source, title = found
        # A path for each release: a running binary cannot be written to.
        target = f"{node.directory}/bin/consul-{title.split(maxsplit=1)[0]}"
        await node.put(source, target, mode=0o755)
        return Installed(target, title)

    async def _in_image(self, node: Node, image: str) -> Installed:
        """Find the server in the node's image; its entry point is not used."""
        for path in _USUAL:
            try:
                done = await node.run([path, "version"], timeout_s=_ASK_S, check=False)
            except Broken:
                continue
            if done.code == 0:
                release = done.stdout.partition("\n")[0].removeprefix("Consul ").removeprefix("v")
                return Installed(path, f"{release} (found in the image {image} as {path})")
        raise Broken("no-server", f"the image {image} has no consul (looked at {', '.join(_USUAL)})")
