"""Commits of a repository as versions: each is checked out, built by a command, and its binary kept.

The repository itself is not touched but for one worktree, which is removed at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Final, Self

from quorate.harness.cluster import commands
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError
from quorate.harness.experiments.versions import Version

_GIT_S: Final = 120.0
_BUILD_S: Final = 1800.0
_COMMITS_MAX: Final = 10_000
_LINES: Final = 3
_SHORT: Final = 12


class Commits:
    """The commits of `A..B` on the first-parent line, A and B included, oldest first, and their builds.

    Use it with `with`. Raise `UsageError` for what is not a repository or a range, and for a binary outside of it.
    """

    def __init__(self, repo: Path, text: str, build: str, binary: str, folder: Path) -> None:
        first, dots, last = text.partition("..")
        if not dots or not first or not last:
            raise UsageError(f'"{text}" is not a range of commits: write A..B, as in v3.5.14..release-3.5')
        if Path(binary).is_absolute() or ".." in Path(binary).parts:
            raise UsageError(f"--binary {binary}: give where the build puts it, relative to the repository")
        self._repo = repo.resolve()
        self._build = build
        self._binary = binary
        self._folder = folder.resolve()
        self._tree = self._folder / "tree"
        self.shas = [self._commit(first), *self._git("rev-list", "--first-parent", "--reverse", text).split()]
        if not 1 < len(self.shas) <= _COMMITS_MAX:
            raise UsageError(f"{text}: {len(self.shas) - 1} commits lie between the two")

    def __enter__(self) -> Self:
        """Make the worktree."""
        self._remove_tree()
        self._git("worktree", "add", "--detach", "--force", str(self._tree), self.shas[-1])
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away; the binaries stay."""
        self._remove_tree()

    def versions(self, system: str) -> list[Version]:
        """Return the commits as versions of a system."""
        return [
            Version(sha[:_SHORT], "commits", system, {"binary": str(self._kept(sha[:_SHORT]))})
            for sha in self.shas
        ]

    async def build(self, version: Version) -> None:
        """Build a commit, unless its binary is here; raise `Broken` with the last words of a build that fails."""
        kept = self._kept(version.name)
        if kept.exists():
            return
        await asyncio.to_thread(self._check_out, version.name)
        said = await self._make()
        made = self._tree / self._binary
        if said is not None or not made.is_file():
            raise Broken("build", f"{version.name}: {said or f'the build made no {self._binary}'}")
        await asyncio.to_thread(_keep, made, kept)

    async def _make(self) -> str | None:
        """Run the build command; return None if it ended well, else its last words. Its processes end with it."""
        try:
            done = await commands.run(
                ["/bin/sh", "-c", f"exec 2>&1; {self._build}"],
                timeout_s=_BUILD_S,
                cwd=str(self._tree),
                label=[self._build],
                check=False,
                alone=True,
            )
        except Broken as error:
            return error.text
        last = " / ".join(done.stdout.split("\n")[-_LINES - 1 : -1])
        return None if done.code == 0 else last or f"the build exits with {done.code}"

    def _kept(self, name: str) -> Path:
        return self._folder / "built" / name / Path(self._binary).name

    def _commit(self, name: str) -> str:
        return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()

    def _check_out(self, name: str) -> None:
        self._git("checkout", "--quiet", "--force", "--detach", name, where=self._tree)
        self._git("clean", "-q", "-f", "-d", "-x", where=self._tree)

    def _git(self, *words: str, where: Path | None = None) -> str:
        try:
            done = subprocess.run(
                ["git", *words],
                cwd=where or self._repo,
                capture_output=True,
                text=True,
                timeout=_GIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Broken("git", f"git {words[0]}: {error}") from error
        if done.returncode != 0:
            raise UsageError(
                f"git {' '.join(words[:2])} in {where or self._repo}: {done.stderr.strip() or words[-1]}"
            )
        return done.stdout

    def _remove_tree(self) -> None:
        with contextlib.suppress(UsageError):
            self._git("worktree", "remove", "--force", str(self._tree))
        shutil.rmtree(self._tree, ignore_errors=True)
        with contextlib.suppress(UsageError):
            self._git("worktree", "prune")


def _keep(made: Path, kept: Path) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{kept.name}")
        shutil.copy2(made, temporary)
        temporary.replace(kept)
    except OSError as error:
        raise Broken("store", f"cannot keep {kept}: {error}") from error
