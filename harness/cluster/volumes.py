"""A separate file system under one directory of a node, so that it can lose what was never synced, as in a power cut.

ext4 in a sparse file beside the node's directory, mounted through a loop device that the kernel frees with the last
unmount: nothing but a mount in the node's own place, and the file, is ever left, and both go with the node.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from quorate.harness.core.node import Completed, Node
from quorate.harness.core.outcome import Broken

SIZE: Final = "1G"  # sparse: takes what is written to it
# The journal is committed by those who sync, never by a timer.
OPTIONS: Final = "commit=300"
# EXT4_IOC_SHUTDOWN, and its flag for "as if the power had gone: not even the journal is written".
_SHUTDOWN: Final = 0x8004587D
_NO_LOG_FLUSH: Final = 2
_STEP_S: Final = 15.0
_FORMAT: Final = (
    'PATH="$PATH:/sbin:/usr/sbin"; command -v mkfs.ext4 >/dev/null'
    ' || { echo "mkfs.ext4 is missing: apt-get install e2fsprogs" >&2; exit 1; };'
    ' rm -f "$1" && truncate -s "$2" "$1" && mkfs.ext4 -q -F -m 0 "$1"'
)
_PACK: Final = 'mkdir -p "$2" && tar -C "$2" -cf "$1.tar" .'
_UNPACK: Final = 'tar -C "$2" -xpf "$1.tar" && rm -f "$1.tar" && mkdir -p "$2/lost+found" && sync'
_PERL: Final = (
    f'open(my $f,"<",$ARGV[0]) or die $!; my $w=pack("L",{_NO_LOG_FLUSH}); ioctl($f,{_SHUTDOWN},$w) or die $!'
)


@runtime_checkable
class Mounts(Protocol):
    """What a node offers that can have separate file systems."""

    def no_mounts(self) -> str | None:
        """Return why it cannot, with the fix; None where it can."""
        ...

    async def on_machine(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command as the root of the machine that the node's files lie on."""
        ...

    def on_machine_path(self, path: str) -> str:
        """Return how such a command reaches a path of the node."""
        ...

    def from_here(self, path: str) -> str | None:
        """Return how this process reaches a path of the node, mounts included; None where it cannot."""
        ...

    async def mount(self, image: str, directory: str) -> None:
        """Mount a file of the node through a loop device that frees itself; raise `Broken`."""
        ...

    async def unmount(self, directory: str) -> None:
        """Unmount it, for real: raise `Broken` where somebody still uses it."""
        ...


class Volume:
    """One mounted directory of one node."""

    def __init__(self, node: Node, directory: str) -> None:
        self.directory = directory
        self._node = node
        self._image = f"{node.directory.rstrip('/')}.disk"
        self._sentinel = f"{directory}/lost+found/quorate"
        self._word = ""
        self._losses = 0

    async def make(self) -> None:
        """Format and mount it over the directory, whose files are kept; raise `Broken` with the fix."""
        machine = self._machine()
        made = await machine.on_machine(
            _sh(_FORMAT, machine.on_machine_path(self._image), SIZE), timeout_s=_STEP_S
        )
        self._checked(made)
        await self._run(_PACK, self._image, self.directory)
        await machine.mount(self._image, self.directory)
        await self._run(_UNPACK, self._image, self.directory)
        await self._note()

    async def sync(self) -> None:
        """Write everything to the disk."""
        await self._run('sync -f "$1"', self.directory)

    async def lose(self) -> None:
        """Lose everything that was not synced. No process may have a file open there."""
        machine = self._machine()
        if (await self._node.run(["test", "-e", self._sentinel], check=False)).code != 0:
            await self._note()  # a fault that empties directories has taken it
        # Behind what was synced long ago; nothing is synced now, for that would save more than this file.
        await self._run('printf " and this is not" >>"$1"', self._sentinel)
        here = machine.from_here(self._sentinel)
        if here is not None:
            await asyncio.to_thread(_shut_down, here)
        else:
            self._checked(await machine.on_machine(["perl", "-e", _PERL, self._sentinel], timeout_s=_STEP_S))
        await machine.unmount(self.directory)
        await machine.mount(self._image, self.directory)

    async def kept(self) -> tuple[bool, str]:
        """Return whether exactly what was synced before the last loss is there, and what is, in words.

        Then begins anew: call it once after each loss, while the server is dead.
        """
        done = await self._node.run(["cat", self._sentinel], check=False)
        word = self._word
        await self._note()
        # ext4 may have kept the longer size, but not its bytes.
        text = done.stdout.rstrip("\0")
        if done.code == 0 and text == word:
            return True, "what was synced is there, what was not is gone"
        return False, f'of "{word}", which was synced, and more that was not, there is "{text[:200]}"'

    async def _note(self) -> None:
        self._losses += 1
        self._word = f"synced before cut {self._losses}"
        script = 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1" && sync "$1"'
        await self._run(script, self._sentinel, self._word)

    def _machine(self) -> Mounts:
        machine = self._node
        if not isinstance(machine, Mounts):
            raise Broken("no-volume", f"{self._node.name} cannot have its own file system")
        return machine

    async def _run(self, script: str, *arguments: str) -> None:
        self._checked(await self._node.run(_sh(script, *arguments), timeout_s=_STEP_S, check=False))

    def _checked(self, done: Completed) -> None:
        if done.code != 0:
            words = done.stderr.strip() or done.stdout.strip() or f"code {done.code}"
            raise Broken("no-volume", f"the file system of {self._node.name}:{self.directory}: {words}")


def obstacle(nodes: Sequence[Node]) -> str | None:
    """Return why these nodes cannot have separate file systems, with the fix; None where all can."""
    for node in nodes:
        why = (
            node.no_mounts() if isinstance(node, Mounts) else "such nodes have no disk that could be mounted"
        )
        if why is not None:
            return f"{node.name}: {why}"
    return None


def mount_command(image: str, directory: str) -> list[str]:
    """Return the argv that mounts where util-linux and the kernel's own loop devices are at hand."""
    return ["mount", "-t", "ext4", "-o", f"loop,noatime,{OPTIONS}", image, directory]


def _sh(script: str, *arguments: str) -> list[str]:
    return ["sh", "-c", script, "quorate", *arguments]


def _shut_down(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Broken("no-shutdown", f"the file system of {path} cannot be shut down: {error}") from error
