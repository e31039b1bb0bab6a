"""Servers from a checkout: a real repository, a real compiler, a server of a few lines."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest

from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import Test
from quorate.harness.systems.etcd.server.installing import EtcdServers
from quorate.harness.systems.releases import checkout

MAIN = """\
package main

import "fmt"

func main() { fmt.Println("etcd Version: 9.9.%s") }
"""

pytestmark = pytest.mark.skipif(not (shutil.which("go") and shutil.which("git")), reason="needs go and git")


def git(folder, *argv):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *argv]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def source(tmp_path, monkeypatch):
    compiled = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout
    monkeypatch.setenv("GOCACHE", compiled.strip())  # else the standard library is compiled for each test
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "etcd"
    (folder / "server").mkdir(parents=True)
    # Like etcd's own: parts that are replaced by folders, one of which is not in this checkout.
    (folder / "server/go.mod").write_text(
        "module example.org/server\n\ngo 1.17\n\nreplace example.org/api => ../api\n"
    )
    (folder / "server/main.go").write_text(MAIN % 1)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def quiet(_):
    pass


def built(text):
    server = checkout.build("etcd", checkout.read("etcd", text), quiet)
    return server, subprocess.run([server.binary], capture_output=True, text=True, check=True).stdout


def test_it_is_built_as_it_stands_and_once(source):
    told = []
    first = checkout.build("etcd", checkout.read("etcd", str(source)), told.append)
    (source / "server/main.go").write_text(MAIN % 2)
    (source / "server/more.go").write_text("package main\n")
    second, said = built(str(source))
    assert "9.9.2" in said
    assert second.folder != first.folder
    git(source, "checkout", "-q", "--", ".")
    (source / "server/more.go").unlink()
    again = checkout.build("etcd", checkout.read("etcd", str(source)), told.append)
    assert again.folder == first.folder
    assert len(told) == 1
    assert first.how.startswith(f"built from {source} with go")


def test_a_revision_is_built_whatever_stands_there(source):
    (source / "server/main.go").write_text(MAIN % 2)
    server, said = built(f"{source}@main")
    assert "9.9.1" in said
    assert f"built from {source}@main" in server.how


def test_the_checkout_is_not_touched(source):
    (source / "server/main.go").write_text(MAIN % 2)
    (source / "server/new.go").write_text("package main\n")
    before = git(source, "status", "--porcelain"), git(source, "count-objects", "-v")
    built(str(source))
    assert (git(source, "status", "--porcelain"), git(source, "count-objects", "-v")) == before


def test_what_does_not_compile_is_told_in_the_compilers_words(source):
    (source / "server/main.go").write_text("package main\n\nfunc main() { nonsense() }\n")
    with pytest.raises(Broken, match="undefined: nonsense"):
        checkout.build("etcd", checkout.read("etcd", str(source)), quiet)


def test_its_version_and_origin_stand_in_the_title(source):
    servers = EtcdServers(SystemOptions(build=str(source)), None)
    assert servers.unobtainable() is None
    _, installed = asyncio.run(servers._built(servers._checkout))
    assert installed.release == "9.9.1"
    assert installed.title.startswith(f"9.9.1 (built from {source} with go")


@pytest.mark.parametrize(
    ("system", "text", "said"),
    [
        ("etcd", "/nowhere", "no folder /nowhere"),
        ("etcd", "/tmp", "not a checkout of etcd"),
        ("zookeeper", "/tmp", "--set jars=DIR"),
        ("consul", "/tmp+failpoints", "only etcd has failpoints"),
    ],
)
def test_what_is_no_checkout_is_wrong_usage(system, text, said):
    with pytest.raises(UsageError, match=said):
        checkout.read(system, text)


def test_a_revision_that_is_not_there_is_wrong_usage(source):
    with pytest.raises(UsageError, match="knows no revision nope"):
        checkout.unable(checkout.read("etcd", f"{source}@nope"))


def test_without_git_it_is_told(source):
    shutil.rmtree(source / ".git")
    with pytest.raises(UsageError, match="is not a git checkout"):
        checkout.unable(checkout.read("etcd", str(source)))


@pytest.mark.parametrize("more", [{"system": "etcd@3.5"}, {"image": "x"}, {"settings": {"binary": "x"}}])
def test_beside_another_server_it_makes_no_sense(more):
    with pytest.raises(UsageError, match="is the server"):
        Test(build="../etcd", **more).validate()


def test_the_command_repeats_it():
    assert "--build ../etcd@main" in Test(build="../etcd@main").command()
