"""Put servers on nodes: the user's own, one found in the nodes' image, or releases assigned round-robin."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.platform import Platform, architecture, wanting
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.systems.releases import (
    checkout,
    off_loop,
    understood,
    unknown_release,
    unobtainable,
    usual,
)
from quorate.harness.systems.releases.way import numbers


class Titled(Protocol):
    """What is installed on a node knows where it came from."""

    @property
    def title(self) -> str:
        """Release and origin, for people."""
        ...


Found = TypeVar("Found")  # a server on this host
Server = TypeVar("Server", bound=Titled)  # a server on a node


class Servers(abc.ABC, Generic[Found, Server]):
    """Base of what knows one system's servers: how each way gives one, and how it is put on a node.

    `own` is a path on this host to the user's own server, where one is given. Everything asynchronous raises `Broken`
    with the other ways.
    """

    system: ClassVar[str]

    def __init__(self, options: SystemOptions, own: str | None) -> None:
        """Raise `UsageError` for an unknown release, unless the server is the user's own or in an image."""
        self._image = options.image
        self._own_path = own
        self._checkout = None if options.build is None else checkout.read(self.system, options.build)
        self.asked: tuple[str, ...] = ()
        if own is None and options.image is None and options.build is None and options.release:
            self.asked = tuple(understood(self.system, part.strip()) for part in options.release.split(","))
        for release in self.asked:
            if why := unknown_release(self.system, release):
                raise UsageError(why)

    def known(self) -> list[tuple[int, ...]]:
        """Return the releases that will run, as numbers; none where only a binary or an image knows that."""
        if self._image is not None or self._own_path is not None or self._checkout is not None:
            return []
        asked = self.asked or tuple(filter(None, (usual(self.system),)))
        return [numbers(release) for release in asked]

    async def install(self, nodes: Sequence[Node]) -> dict[str, Server]:
        """Put a server on every node and return what is where; several releases (`3.8.6,3.9.4`) go in turn."""
        names = [node.name for node in nodes]
        if self._image is not None and self._own_path is None:
            there = await asyncio.gather(*(self._in_image(node, self._image) for node in nodes))
            return dict(zip(names, there, strict=True))
        if self._checkout is not None:
            with wanting(await _platform(nodes[0])):
                sources = [await self._built(self._checkout)]
        elif self._own_path is not None:
            sources = [await asyncio.to_thread(self._own, self._own_path)]
        else:
            with wanting(await _platform(nodes[0])):
                sources = [await self._resolved(release) for release in self.asked or (None,)]
        placed = await asyncio.gather(
            *(self._put(node, sources[turn % len(sources)]) for turn, node in enumerate(nodes))
        )
        return dict(zip(names, placed, strict=True))

    def unobtainable(self) -> str | None:
        """Return why what was asked for cannot be had here, None where it may be. Fetches and builds nothing.

        Raises `UsageError` for a server of the user's own that is not there.
        """
        if self._checkout is not None:
            return checkout.unable(self._checkout)
        if self._own_path is not None:
            if not Path(self._own_path).expanduser().exists():
                raise UsageError(f"the server given as {self._own_path} is not there")
            return None
        if self._image is not None:
            return None
        for release in self.asked or (None,):
            if (why := unobtainable(self.system, release)) is not None:
                return why
        return None

    async def install_release(self, node: Node, release: str) -> Server:
        """Put another release on one node, beside what runs there."""
        with wanting(await _platform(node)):
            found = await self._resolved(release)
        return await self._put(node, found)

    async def _built(self, wanted: checkout.Checkout) -> Found:
        """Build the user's checkout, off the loop; a run that is given up kills the compiler."""
        server = await off_loop(lambda: checkout.build(self.system, wanted))
        return self._titled(await asyncio.to_thread(self._own, str(server.binary)), server.how)

    def _titled(self, found: Found, how: str) -> Found:  # noqa: ARG002 - for those who build
        """Return the same server with where it came from in its title."""
        return found

    @abc.abstractmethod
    def _own(self, path: str) -> Found:
        """Return the user's own server, looked at; may block."""

    @abc.abstractmethod
    async def _resolved(self, release: str | None) -> Found:
        """Return a release from the cache, made where it is not there; None: the default."""

    @abc.abstractmethod
    async def _put(self, node: Node, found: Found) -> Server:
        """Copy it to a node, where no other release of the same run is overwritten."""

    @abc.abstractmethod
    async def _in_image(self, node: Node, image: str) -> Server:
        """Find it in the node's image; the image's entry point is not used."""


async def _platform(node: Node) -> Platform | None:
    """Return what the node is, by its own word; None where it does not say: as this host."""
    try:
        said = (await node.run(["uname", "-sm"], check=False)).stdout.split()
    except Broken:
        return None
    return Platform(said[0].lower(), architecture(said[1])) if len(said) == 2 else None  # noqa: PLR2004
