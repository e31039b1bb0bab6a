"""Which Consul runs on which node, and putting it there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from harness.cluster.node import Node
from harness.outcome import Broken
from harness.systems.daemons import place
from harness.systems.releases import resolve_async
from harness.systems.system import SystemOptions

# Where images keep it: Consul's own, Debian's package, bitnami's.
_USUAL: Final = ("/bin/consul", "/usr/bin/consul", "/usr/local/bin/consul", "/opt/bitnami/consul/bin/consul")
_ASK_S: Final = 20.0
Found: TypeAlias = tuple[Path, str]  # a binary on this host, and what it is called


class Installed(msgspec.Struct, frozen=True):
    """The server on a node: its path there, and where it came from, for people."""

    binary: str
    title: str


async def install(
    nodes: Sequence[Node], options: SystemOptions, own_binary: str | None
) -> dict[str, Installed]:
    """Put the server on every node; return what is where. Several releases (`1.8.7,1.12.9`) go round the nodes.

    Raises `Broken` with the other ways.
    """
    return await place(
        "consul",
        nodes,
        options,
        own=None if own_binary is None else lambda: _own(own_binary),
        resolved=_resolved,
        put=_place,
        in_image=_in_image,
    )


async def install_release(node: Node, release: str) -> Installed:
    """Put another release on one node, beside what runs there."""
    return await _place(node, await _resolved(release))


async def _place(node: Node, found: Found) -> Installed:
    source, title = found
    # A path for each release: a running binary cannot be written to.
    target = f"{node.directory}/bin/consul-{title.split(maxsplit=1)[0]}"
    await node.put(source, target, mode=0o755)
    return Installed(target, title)


async def _resolved(release: str | None) -> Found:
    server = await resolve_async("consul", release)
    return server.binary, server.title


def _own(path: str) -> Found:
    binary = Path(path).expanduser().absolute()
    if not binary.is_file() or not os.access(binary, os.X_OK):
        raise Broken("bad-binary", f"binary={path} is not an executable file")
    return binary, f"own (your own {binary})"


async def _in_image(node: Node, image: str) -> Installed:
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
