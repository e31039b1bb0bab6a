"""Which ZooKeeper runs on which node: jars and Java."""

from __future__ import annotations

import asyncio
import io
import itertools
import re
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.placing import Servers
from quorate.harness.systems.releases import resolve_async

_FIND_S: Final = 30.0
_UNPACK_S: Final = 30.0
Found: TypeAlias = tuple[Path, str]  # a folder of jars on this host, and what it is called
_numbers = itertools.count()
_SERVER: Final = re.compile(r"zookeeper-\d.*\.jar")
_IN_IMAGE: Final = "find / -xdev -name 'zookeeper-[0-9]*.jar' 2>/dev/null | head -n 1"


class Installed(msgspec.Struct, frozen=True):
    """The server on a node: the folder of its jars there, where they came from, for people, and the release."""

    jars: str
    title: str
    release: str


class ZooKeeperServers(Servers[Found, Installed]):
    """ZooKeepers: folders of jars."""

    system = "zookeeper"

    def _own(self, folder: str) -> Found:
        return Path(folder), f"own (your own {folder})"

    async def _resolved(self, release: str | None) -> Found:
        server = await resolve_async("zookeeper", release)
        return server.jars, server.title

    async def _put(self, node: Node, found: Found) -> Installed:
        source, title = found
        jars = await asyncio.to_thread(lambda: sorted(source.expanduser().glob("*.jar")))
        if not jars:
            raise Broken("no-binary", f"{source} holds no jars")
        target = f"jars-{title.split(maxsplit=1)[0]}"
        await unpack(node, {f"{target}/{jar.name}": jar for jar in jars})
        named = [jar.stem.removeprefix("zookeeper-") for jar in jars if _SERVER.match(jar.name)]
        return Installed(f"{node.directory}/{target}", title, named[0] if named else title.split()[0])

    async def _in_image(self, node: Node, image: str) -> Installed:
        """Find the server's jar in the node's image; those it needs lie beside it. The entry point is not used."""
        done = await node.run(["sh", "-c", _IN_IMAGE], timeout_s=_FIND_S, check=False)
        jar = done.stdout.strip()
        if not jar:
            raise Broken("no-server", f"the image {image} has no zookeeper-*.jar")
        folder, _, name = jar.rpartition("/")
        release = name.removeprefix("zookeeper-").removesuffix(".jar")
        return Installed(folder, f"{release} (found in the image {image} in {folder})", release)


async def java_of(node: Node) -> str:
    """The path of the node's Java; raises `Broken` where it has none."""
    found = await node.run(["sh", "-c", 'command -v java || ls "$JAVA_HOME/bin/java"'], check=False)
    if found.code != 0 or not found.stdout.strip():
        raise Broken(
            "no-java", "the nodes have no java: take an image with a JRE, or install one for --cluster local"
        )
    return found.stdout.split()[0]


async def unpack(node: Node, files: Mapping[str, Path | str]) -> None:
    """Put files, or texts, below the node's directory: in one piece, since each copy to a container costs much."""
    packed = f"{node.directory}/packed-{next(_numbers)}.tar"
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        await asyncio.to_thread(_pack, archive.name, files)
        # Clusters that are used again keep what is executable: the jars are copied into a container once.
        await node.put(Path(archive.name), packed, mode=0o755)
    await node.run(["tar", "-xf", packed, "-C", node.directory], timeout_s=_UNPACK_S)


def _pack(target: str, files: Mapping[str, Path | str]) -> None:
    with tarfile.open(target, "w") as archive:
        for name, content in files.items():
            if isinstance(content, Path):
                archive.add(content, name)
                continue
            data = content.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
