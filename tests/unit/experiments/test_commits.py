"""Commits as versions: built in a separate worktree, kept, passed over where they do not build."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import Test, UsageError
from quorate.harness.experiments.bisecting import bisect
from quorate.harness.experiments.commits import Commits
from quorate.harness.experiments.decide import Decision
from quorate.harness.experiments.sequential import Tally

BUILD = "mkdir -p bin && grep -v broken source > bin/etcd"


def git(repo, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *identity, *words], cwd=repo, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path):
    """Ten commits, tagged v0 to v9: bad from v6 on; v5 does not build."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(10):
        (folder / "source").write_text(
            "broken" if number == 5 else f"{'bad' if number >= 6 else 'good'} {number}"
        )
        git(folder, "add", "source")
        git(folder, "commit", "-q", "-m", f"commit {number}")
        git(folder, "tag", f"v{number}")
    return folder


def is_bad(version):
    return "bad" in Path(version.of(Test()).settings["binary"]).read_text()


def test_the_commit_that_brought_it_is_found_and_the_one_that_does_not_build_is_told(repo, tmp_path):
    async def main(commits):
        async def judge(version):
            try:
                await commits.build(version)
            except Broken:
                return Decision("undecided", Tally(), 0.0)
            return Decision("yes" if is_bad(version) else "no", Tally(), 0.0)

        return await bisect("commits", commits.versions("etcd"), judge)

    with Commits(repo, "v0..v9", BUILD, "bin/etcd", tmp_path / "work") as commits:
        found = asyncio.run(main(commits))
    (flip,) = found.flips
    names = {git(repo, "rev-parse", f"v{number}")[:12]: f"v{number}" for number in range(10)}
    assert (flip.kind, names[flip.before], names[flip.after]) == ("introduced", "v4", "v6")
    assert [names[name] for name in flip.skipped] == ["v5"]
    assert len(found.decisions) < 8
    assert git(repo, "worktree", "list").count("\n") == 0
    assert git(repo, "status", "--porcelain") == ""


def test_what_is_built_is_not_built_again(repo, tmp_path):
    for build in (BUILD, "false"):
        with Commits(repo, "v0..v1", build, "bin/etcd", tmp_path / "work") as commits:
            asyncio.run(commits.build(commits.versions("etcd")[1]))


def test_a_build_that_fails_is_told_in_its_last_words(repo, tmp_path):
    with (
        Commits(repo, "v0..v1", "echo no compiler here; exit 3", "bin/etcd", tmp_path / "work") as commits,
        pytest.raises(Broken, match="no compiler here"),
    ):
        asyncio.run(commits.build(commits.versions("etcd")[0]))


@pytest.mark.parametrize(
    ("text", "binary", "said"),
    [
        ("v1", "bin/etcd", "write A..B"),
        ("v0..nowhere", "bin/etcd", "nowhere"),
        ("v0..v1", "/bin/etcd", "relative"),
    ],
)
def test_wrong_ranges_and_binaries_are_refused(repo, tmp_path, text, binary, said):
    with pytest.raises(UsageError, match=said):
        Commits(repo, text, BUILD, binary, tmp_path / "work")
