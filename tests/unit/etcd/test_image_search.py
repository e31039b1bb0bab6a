"""The server is found in an image by what answers when asked for its version, with and without a shell."""

# ruff: noqa: ARG002, ASYNC221 - a stand-in for a node runs programs on the spot

from __future__ import annotations

import asyncio
import subprocess

import pytest

from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.systems.etcd.server.installing import EtcdServers


class Image:
    """A node whose files are those of a folder: what is not in it cannot be run."""

    name = "n1"

    def __init__(self, folder, *, shell=True):
        self.folder = folder
        self.shell = shell

    async def run(self, argv, *, timeout_s=10.0, stdin=b"", check=True):
        program = self.folder / argv[0].lstrip("/")
        if argv[0] == "/bin/sh" and self.shell:
            program = argv[0]
        elif not program.exists():
            raise Broken("cannot-run", f"no {argv[0]}")
        done = subprocess.run(
            [program, *argv[1:]],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": str(self.folder / "odd")},
        )
        return Completed(done.returncode, done.stdout.replace(str(self.folder), ""), done.stderr)

    def add(self, path, says="etcd Version: 3.5.99\nGit SHA: x"):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"#!/bin/sh\necho '{says}'\n")
        target.chmod(0o755)


def found(image: Image):
    return asyncio.run(EtcdServers(SystemOptions(image="registry/etcd:v3"), None).install([image]))["n1"]


def test_in_the_usual_place_without_a_shell(tmp_path):
    image = Image(tmp_path, shell=False)
    image.add("usr/local/bin/etcd")
    server = found(image)
    assert (server.binary, server.release) == ("/usr/local/bin/etcd", "3.5.99")
    assert "registry/etcd:v3" in server.title


def test_in_the_path_of_an_unusual_image(tmp_path):
    image = Image(tmp_path)
    image.add("odd/etcd")
    assert found(image).binary == "/odd/etcd"


@pytest.mark.parametrize("shell", [True, False])
def test_an_image_without_it_is_said(tmp_path, shell):
    with pytest.raises(Broken, match="registry/etcd:v3 has no etcd"):
        found(Image(tmp_path, shell=shell))


def test_something_else_of_that_name_is_said(tmp_path):
    image = Image(tmp_path)
    image.add("usr/bin/etcd", says="hello")
    with pytest.raises(Broken, match="is not etcd"):
        found(image)


def test_an_unknown_release_among_several_is_a_usage_error():
    with pytest.raises(UsageError):
        EtcdServers(SystemOptions(release="3.4.23,9"), None)
