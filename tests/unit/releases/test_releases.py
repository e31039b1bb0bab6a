"""The cache of releases and the choice among ways; no network."""

# ruff: noqa: ARG002, ASYNC110 - a test looks for a file that a child makes

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from quorate.harness.core.outcome import Broken
from quorate.harness.systems import releases
from quorate.harness.systems.releases import cache, naming, tools
from quorate.harness.systems.releases.catalogue import SYSTEMS, Catalogue
from quorate.harness.systems.releases.maven import _binding
from quorate.harness.systems.releases.resolve import (
    list_releases,
    resolve,
    resolve_async,
    understood,
    unobtainable,
    unpublished,
)
from quorate.harness.systems.releases.way import numbers


class Local:
    """A way that writes a file; it can be made to fail."""

    def __init__(self, name="local", known=("2.0.0", "1.0.0"), unable=None, fails=None, pause_s=0.0):
        self.name = name
        self.known = known
        self.why = unable
        self.fails = fails
        self.pause_s = pause_s
        self.made = []

    def unable(self):
        return self.why

    def releases(self):
        return list(self.known)

    def takes(self, release):
        return release in self.known

    def obtain(self, release, folder, progress):
        self.made.append(release)
        progress(f"making {release}")
        (folder / "toy").write_text("half")
        time.sleep(self.pause_s)
        if self.fails:
            raise Broken("tool-failed", self.fails)
        (folder / "toy").write_text(f"server {release}")
        return f"made by {self.name}"


@pytest.fixture
def toy(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def use(*ways, defaults=("2.0.0", "1.0.0"), notes=None):
        monkeypatch.setitem(SYSTEMS, "toy", Catalogue(ways=ways, defaults=defaults, notes=notes or {}))
        return ways[0]

    return use


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.root() == tmp_path / "quorate"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root() == Path.home() / ".cache" / "quorate"


def test_a_release_is_made_once_and_then_found(toy):
    way = toy(Local())
    said = []
    first = resolve("toy", "1.0.0", progress=said.append)
    assert first.binary.read_text() == "server 1.0.0"
    assert (first.title, said) == ("1.0.0 (made by local)", ["making 1.0.0"])
    assert resolve("toy", "1.0.0") == first
    assert way.made == ["1.0.0"]


def test_a_damaged_entry_is_made_again(toy):
    way = toy(Local())
    resolve("toy", "1.0.0").binary.write_text("damaged")
    assert resolve("toy", "1.0.0").binary.read_text() == "server 1.0.0"
    assert way.made == ["1.0.0", "1.0.0"]


def test_a_way_that_fails_leaves_nothing_and_the_next_is_tried(toy):
    toy(Local("first", fails="compiler said no"), Local("second"))
    assert resolve("toy", "1.0.0").how == "made by second"
    assert [entry.name for entry in (cache.root() / "servers" / "toy").iterdir()] == ["1.0.0"]


def test_when_no_way_works_the_error_names_each_and_what_else_there_is(toy):
    toy(Local("first", fails="compiler said no"), Local("second", unable="apt-get not found"))
    with pytest.raises(Broken) as caught:
        resolve("toy", "1.0.0")
    for word in ("first: compiler said no", "second: apt-get not found", "--set binary=", "--image"):
        assert word in caught.value.text
    assert cache.releases("toy") == []


def test_an_unknown_release_is_named_with_the_nearest(toy):
    toy(Local())
    with pytest.raises(Broken, match=r'did you mean "1.0.0"') as caught:
        resolve("toy", "1.0.1")
    assert caught.value.code == "no-release"


def test_the_default_is_the_newest_that_works_and_says_why_not_a_newer(toy):
    toy(Local("builder", known=("2.0.0",), unable="go not found"), Local("packages", known=("1.0.0",)))
    server = resolve("toy")
    assert server.release == "1.0.0"
    assert server.how.startswith("made by packages; not 2.0.0")
    assert "go not found" in server.how


def test_the_list_says_way_cache_and_default(toy):
    builder = Local("builder", known=("2.0.0",), unable="go not found")
    toy(builder, Local("packages", known=("1.0.0",)), notes={"1.0.0": "old"})
    rows = {row.release: row for row in list_releases("toy")}
    assert (rows["2.0.0"].way, rows["2.0.0"].cached) == ("builder", False)
    assert "go not found" in rows["2.0.0"].note
    assert rows["1.0.0"].note == "old; the default here"
    resolve("toy", "1.0.0")
    assert {row.release: row.cached for row in list_releases("toy")} == {"2.0.0": False, "1.0.0": True}


def test_two_runs_at_once_make_it_once(toy):
    way = toy(Local(pause_s=0.3))
    threads = [threading.Thread(target=resolve, args=("toy", "1.0.0")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert way.made == ["1.0.0"]


def test_giving_up_kills_what_is_running_and_tries_no_other_way(toy, tmp_path):
    class Slow(Local):
        def obtain(self, release, folder, progress):
            self.made.append(release)
            tools.run(["sh", "-c", f"touch {tmp_path}/begun; sleep 60"], cwd=folder, deadline_s=60)
            return "never"

    first, second = Slow("first"), Local("second")
    toy(first, second)

    async def body():
        task = asyncio.create_task(resolve_async("toy", "1.0.0"))
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(10):
                await task

    asyncio.run(body())
    assert (first.made, second.made) == (["1.0.0"], [])
    assert cache.releases("toy") == []


def test_a_lock_held_for_too_long_is_an_error(toy):
    toy(Local())
    with (
        cache.lock("toy", "1.0.0", 1),
        pytest.raises(Broken, match="another process"),
        cache.lock("toy", "1.0.0", 0),
    ):
        pass


def test_a_maker_killed_in_the_middle_leaves_no_half_server(toy, tmp_path):
    toy(Local())
    script = (
        "import time\nfrom pathlib import Path\nfrom quorate.harness.systems.releases import cache\n"
        "def make(folder: Path) -> str:\n"
        "    (folder / 'toy').write_text('half')\n    print('go', flush=True)\n    time.sleep(60)\n    return ''\n"
        "with cache.lock('toy', '1.0.0', 5):\n    cache.add('toy', '1.0.0', make)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"go\n"
    process.kill()
    process.wait()
    assert cache.find("toy", "1.0.0") is None
    assert cache.releases("toy") == []
    assert resolve("toy", "1.0.0").binary.read_text() == "server 1.0.0"
    assert [entry.name for entry in (cache.root() / "servers" / "toy").iterdir()] == ["1.0.0"]


def test_a_cache_that_cannot_be_written_is_said(toy, monkeypatch, tmp_path):
    toy(Local())
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(Broken) as caught:
        resolve("toy", "1.0.0")
    assert caught.value.code == "no-cache"
    with pytest.raises(Broken) as caught:
        resolve("toy")
    assert str(caught.value).count("cannot write to the cache") == 1
    why = unobtainable("toy", "1.0.0")
    assert why is not None
    assert "set XDG_CACHE_HOME" in why


def test_an_unknown_system_is_said():
    with pytest.raises(Broken, match="nosuch"):
        resolve("nosuch")


def test_versions_are_numbers():
    assert numbers("3.5.16") < numbers("3.5.30") < numbers("3.10.0")
    assert numbers("3.8.0-alpha.0") == (3, 8, 0)
    assert numbers("3.6.5+failpoints") == (3, 6, 5)


class TestTools:
    def test_a_late_tool_is_killed_with_its_children(self, tmp_path):
        pid_file = tmp_path / "pid"
        with pytest.raises(Broken, match="was not done in"):
            tools.run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], cwd=tmp_path, deadline_s=0.5)
        state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
        deadline = time.monotonic() + 5
        while state.exists() and state.read_text().split()[2] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def test_a_failed_tool_is_quoted(self, tmp_path):
        with pytest.raises(Broken, match="the reason"):
            tools.run(["sh", "-c", "echo the reason >&2; exit 3"], cwd=tmp_path, deadline_s=5)

    def test_a_missing_tool_is_named(self, tmp_path):
        assert tools.missing("sh") is None
        assert "nosuchtool" in (tools.missing("sh", "nosuchtool") or "")
        with pytest.raises(Broken, match="nosuchtool"):
            tools.run(["nosuchtool"], cwd=tmp_path, deadline_s=5)


KNOWN = (
    "3.5.4",
    "3.5.30",
    "3.5.9",
    "3.6.5",
    "3.6.5+failpoints",
    "3.10.1",
    "3.11.0-alpha.0",
    "3.5.4+failpoints",
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3.5", "3.5.30"),
        ("3", "3.10.1"),
        ("v3.5", "3.5.30"),
        ("latest", "3.10.1"),
        ("3.5+failpoints", "3.5.4+failpoints"),
        ("latest+failpoints", "3.6.5+failpoints"),
        ("v3.5.16", "3.5.16"),
        ("3.5.16", "3.5.16"),
        ("v3.11.0-alpha.0", "3.11.0-alpha.0"),
        ("3.9", "3.9"),
        ("nine", "nine"),
        ("3.x", "3.x"),
        ("", ""),
        ("vanilla", "vanilla"),
    ],
)
def test_lines_of_releases_mean_their_newest(text, meant):
    assert naming.newest(text, KNOWN) == meant


class Public(Local):
    """A way whose source says what there is."""

    def __init__(self, *there, answers=True):
        super().__init__("public")
        self.there, self.answers, self.asked = there, answers, 0

    def takes(self, release):
        return numbers(release) >= (1, 0, 0)

    def published(self):
        return self.there if self.answers else ()

    def is_published(self, release):
        self.asked += 1
        return release in self.there if self.answers else None


def test_the_newest_is_asked_of_the_source(toy):
    toy(Public("2.0.0", "2.0.7", "2.1.0", "3.0.0-rc.0"))
    assert understood("toy", "2.0") == "2.0.7"
    assert understood("toy", "latest") == "2.1.0"
    assert resolve("toy", "2.0").release == "2.0.7"


def test_without_an_answer_it_is_the_newest_known(toy):
    toy(Public("2.0.0", "2.0.7", answers=False))
    assert understood("toy", "2.0") == "2.0.0"
    assert unpublished("toy", "2.0.99") is None


def test_a_release_that_no_source_has_is_known_not_to_exist(toy):
    way = toy(Public("2.0.0", "2.0.7"))
    assert "no way to get toy@2.0.99" in (unpublished("toy", "2.0.99") or "")
    assert unpublished("toy", "2.0.7") is None
    assert way.asked == 2
    assert unpublished("toy", "2.0.0") is None
    assert way.asked == 2, "what the catalogue knows is not asked for"


def test_where_one_way_cannot_be_asked_the_release_may_exist(toy):
    class Silent(Local):
        def takes(self, release):
            return True

    toy(Public("2.0.0"), Silent())
    assert unpublished("toy", "2.0.99") is None


def test_every_catalogued_default_can_come_some_way():
    for catalogue in SYSTEMS.values():
        for release in catalogue.defaults:
            assert any(way.takes(release) for way in catalogue.ways)
    assert releases.SYSTEMS is SYSTEMS


class TestZookeepersLogger:
    """Without a logger the server writes no log at all; with two of them it is a matter of luck."""

    def test_is_added_by_the_generation_of_slf4j(self):
        assert (
            _binding(["slf4j-api-2.0.13.jar", "zookeeper-3.9.4.jar"])
            == "ch.qos.logback:logback-classic:1.3.15"
        )
        assert _binding(["slf4j-api-1.7.36.jar"]) == "ch.qos.logback:logback-classic:1.2.13"

    @pytest.mark.parametrize(
        "jar", ["slf4j-log4j12-1.7.25.jar", "slf4j-reload4j-1.7.36.jar", "logback-classic-1.2.3.jar"]
    )
    def test_is_left_alone_where_there_is_one(self, jar):
        assert _binding(["slf4j-api-1.7.36.jar", jar]) is None
