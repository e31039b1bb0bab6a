"""Mount a file of a node as a file system, among the mounts of any process: a container's need no tools for it.

A separate program, run by root: `mounting PID mount IMAGE DIRECTORY OPTIONS`, or `mounting PID unmount DIRECTORY`,
where PID lives among these mounts (`self`: this host's). The loop device is always a fresh one, for other namespaces
may hold copies of the mount that was there before, and frees itself (LO_FLAGS_AUTOCLEAR) with its last unmount, or,
where this program dies half-way, with its death.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import sys
from pathlib import Path
from typing import Final

from quorate.harness.cluster import kernel

_CONTROL: Final = "/dev/loop-control"
_GET_FREE: Final = 0x4C82
_CONFIGURE: Final = 0x4C0A
_AUTOCLEAR: Final = 4
_NEWNS: Final = 0x00020000
_NOATIME: Final = 0x400
_LOOP_MAJOR: Final = 7
_TRIES: Final = 20
# struct loop_config: the file and its block size, then struct loop_info64 with flags as its ninth word, then zeros.
_CONFIG: Final = struct.Struct("=II5Q4I160x2Q64x")


def main(pid: str, action: str, *paths: str) -> None:
    """Do it; raises `OSError` with the kernel's reason."""
    space = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    if action == "unmount":
        kernel.setns(space, _NEWNS)
        kernel.unmount_now(paths[0])
        return
    image, directory, options = paths
    loop = _attached(f"/proc/{pid}/root{image}")
    number = os.minor(os.fstat(loop).st_rdev)
    kernel.setns(space, _NEWNS)
    device = f"/dev/quorate-loop{number}"
    with contextlib.suppress(FileExistsError):
        os.mknod(device, stat.S_IFBLK | 0o600, os.makedev(_LOOP_MAJOR, number))
    try:
        kernel.mount(device, directory, "ext4", _NOATIME, options)
    finally:
        os.unlink(device)  # noqa: PTH108 - the file system keeps the device, not its name


def _attached(image: str) -> int:
    """Return an open loop device on the file; another program may take the free one first."""
    with open(_CONTROL, "rb") as control:  # noqa: PTH123
        for _ in range(_TRIES):
            number = fcntl.ioctl(control, _GET_FREE)
            loop = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
            file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
            config = _CONFIG.pack(file, 0, 0, 0, 0, 0, 0, 0, 0, 0, _AUTOCLEAR, 0, 0)
            try:
                fcntl.ioctl(loop, _CONFIGURE, config)
            except OSError:
                os.close(loop)
                continue
            finally:
                os.close(file)
            return loop
    raise OSError(f"no free loop device for {image}")


def command(pid: int | str, *words: str) -> list[str]:
    """Return the argv that runs this program."""
    return [sys.executable, "-P", str(Path(__file__).resolve()), str(pid), *words]


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(str(error))
