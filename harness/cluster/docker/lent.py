"""A shell for images that have none (an official etcd image holds nothing but etcd): busybox from our base image."""

from __future__ import annotations

import io
import tarfile
from functools import cache

import docker
import docker.errors

from quorate.harness.cluster.docker import engine, images
from quorate.harness.core.outcome import Broken

FOLDER = "/opt/quorate/bin"
# What nodes are asked for by name: see harness.cluster.shell, and node.run of the systems.
_APPLETS = (
    *("base64", "cat", "chmod", "chown", "cp", "cut", "dd", "dirname", "du", "env", "find", "grep", "head"),
    *("hostname", "id", "ip", "kill", "ln", "ls", "mkdir", "mv", "nc", "ps", "pwd", "readlink", "rm", "sed"),
    *(
        "setsid",
        "sh",
        "sleep",
        "sort",
        "stat",
        "tail",
        "tar",
        "test",
        "timeout",
        "touch",
        "tr",
        "true",
        "uname",
        "wc",
    ),
)


def has_shell(api: docker.APIClient, image: str) -> bool:
    """Return whether an image has /bin/sh, by looking into a container that is never started."""
    with engine.translated(f"looking into {image}"):
        container = api.create_container(image, ["true"])["Id"]
        try:
            api.get_archive(container, "/bin/sh")
        except docker.errors.NotFound:
            return False
        finally:
            api.remove_container(container, force=True)
    return True


def lend(api: docker.APIClient, container: str) -> None:
    """Put the shell and its tools into a container that has not been started yet."""
    api.put_archive(container, "/", _archive())


@cache
def _archive() -> bytes:
    """Return a tarball of busybox and a link for each applet; raises `Broken` where our base image is not to be had."""
    tag = images.ensure_image("base")
    api = engine.connect()
    with engine.translated(f"taking busybox from {tag}"):
        container = api.create_container(tag, ["true"])["Id"]
        try:
            chunks, _ = api.get_archive(container, "/bin/busybox")
            raw = b"".join(chunks)
        finally:
            api.remove_container(container, force=True)
    with tarfile.open(fileobj=io.BytesIO(raw)) as source:
        member = source.next()
        file = source.extractfile(member) if member is not None else None
        if member is None or file is None:
            raise Broken("no-shell", f"{tag} has no busybox")
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as target:
            member.name = f"{FOLDER[1:]}/busybox"
            target.addfile(member, file)
            for applet in _APPLETS:
                link = tarfile.TarInfo(f"{FOLDER[1:]}/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                target.addfile(link)
    return made.getvalue()
