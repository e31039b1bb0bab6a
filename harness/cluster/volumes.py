"""A file system of its own under one directory of a node, so that it can lose what was never synced, as in a power cut.

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

from harness.cluster.node import Completed, Node
from harness.outcome import Broken

SIZE: Final = "1G"  # sparse: takes what is written to it
# EXT4_IOC_SHUTDOWN, and its flag for "as if the power had gone: not even the journal is written".
_SHUTDOWN: Final = 0x8004587D
_NO_LOG_FLUSH: Final = 2
_STEP_S: Final = 15.0
_LOOPS: Final = 64
# The journal is committed by nobody's timer, only by those who sync.
_MOUNT: Final = "mount -t ext4 -o loop,commit=300,noatime"
_MAKE: Final = """set -e
if ! grep -q ' /dev devtmpfs ' /proc/mounts; then # a container: the kernel makes no devices appear there
  [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
  n=0; while [ $n -lt @LOOPS@ ]; do [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n; n=$((n + 1)); done
fi
mkdir -p "$2"
tar -C "$2" -cf "$1.tar" .
@MOUNT@ "$1" "$2"
tar -C "$2" -xpf "$1.tar"
rm -f "$1.tar"
mkdir -p "$2/lost+found"
sync -f "$2" 2>/dev/null || sync
""".replace("@LOOPS@", str(_LOOPS)).replace("@MOUNT@", _MOUNT)
_FORMAT: Final = (
    'rm -f "$1" && truncate -s "$2" "$1" && PATH="$PATH:/sbin:/usr/sbin" mkfs.ext4 -q -F -m 0 "$1"'
)
# What is synced, and then what is not, in one file.
_NOTE: Final = """set -e
printf %s "$2" >"$1"; sync "$1"; sync -f "$1" 2>/dev/null || true
printf ' and this is not' >>"$1"
"""
_PERL: Final = (
    f'open(my $f,"<",$ARGV[0]) or die $!; my $w=pack("L",{_NO_LOG_FLUSH}); ioctl($f,{_SHUTDOWN},$w) or die $!'
)
_CYCLE: Final = f'umount "$2" && {_MOUNT} "$1" "$2"'


@runtime_checkable
class Mounts(Protocol):
    """What a node offers that can have file systems of its own."""

    def no_mounts(self) -> str | None:
        """Return why it cannot, with the mend; None where it can."""
        ...

    async def privileged(self, argv: Sequence[str], *, timeout_s: float, inside: bool = True) -> Completed:
        """Run a command as the machine's root: among the node's own mounts, or (not `inside`) among the machine's."""
        ...

    def from_here(self, path: str) -> str | None:
        """Return how this process reaches a path of the node, mounts included; None where it cannot."""
        ...

    def from_machine(self, path: str) -> str:
        """Return how a command that runs not `inside` reaches a path of the node."""
        ...


class Volume:
    """One mounted directory of one node."""

    def __init__(self, node: Node, directory: str) -> None:
        self.directory = directory
        self._node = node
        self._image = f"{node.directory.rstrip('/')}.disk"
        self._sentinel = f"{directory}/lost+found/quorate"
        self._noted = ""

    async def make(self) -> None:
        """Format and mount it over the directory, whose files are kept; raise `Broken` with the mend."""
        machine = self._machine()
        await self._sh(_FORMAT, machine.from_machine(self._image), SIZE, inside=False)
        await self._sh(_MAKE, self._image, self.directory)

    async def sync(self) -> None:
        """Write everything to the disk."""
        await self._sh('sync -f "$1"', self.directory)

    async def lose(self, word: str) -> None:
        """Lose everything that was not synced. Nobody may have a file open there.

        Just before, a file is written with `word` synced and more behind it that is not, for `kept` to look at.
        """
        self._noted = word
        await self._sh(_NOTE, self._sentinel, word)
        here = self._machine().from_here(self._sentinel)
        if here is not None:
            await asyncio.to_thread(_shut_down, here)
        else:
            done = await self._machine().privileged(["perl", "-e", _PERL, self._sentinel], timeout_s=_STEP_S)
            _checked(done, f"{self._node.name}: shutting down the file system")
        await self._sh(_CYCLE, self._image, self.directory)

    async def kept(self) -> tuple[bool, str]:
        """Return whether exactly what was synced before the last loss is there, and what is, in words."""
        done = await self._machine().privileged(["cat", self._sentinel], timeout_s=_STEP_S)
        # ext4 may have kept the longer size, not its bytes.
        text = done.stdout.rstrip("\0")
        if done.code == 0 and text == self._noted:
            return True, "what was synced is there, what was not is gone"
        return False, f'of "{self._noted}", which was synced, and more that was not, there is "{text[:200]}"'

    def _machine(self) -> Mounts:
        machine = self._node
        if not isinstance(machine, Mounts):
            raise Broken("no-mounts", f"{self._node.name} cannot have a file system of its own")
        return machine

    async def _sh(self, script: str, *arguments: str, inside: bool = True) -> None:
        argv = ["sh", "-c", script, "quorate", *arguments]
        done = await self._machine().privileged(argv, timeout_s=_STEP_S, inside=inside)
        _checked(done, f"{self._node.name}: the file system of {self.directory}")


def obstacle(nodes: Sequence[Node]) -> str | None:
    """Return why these nodes cannot have file systems of their own, with the mend; None where all can."""
    for node in nodes:
        why = (
            node.no_mounts() if isinstance(node, Mounts) else "such nodes have no disk that could be mounted"
        )
        if why is not None:
            return f"{node.name}: {why}"
    return None


def _shut_down(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Broken("no-shutdown", f"the file system of {path} cannot be shut down: {error}") from error


def _checked(done: Completed, what: str) -> None:
    if done.code != 0:
        raise Broken("no-volume", f"{what}: {done.stderr.strip() or done.stdout.strip() or done.code}")
