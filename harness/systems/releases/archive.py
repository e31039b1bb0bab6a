"""The vendor's own build, from its release archives: checksum verified, and the signature where there is one.

A transfer that was cut is resumed; one whose checksum is wrong is thrown away. See `layouts` for the vendors.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Final

from quorate.harness.core.outcome import Broken
from quorate.harness.core.platform import wanted
from quorate.harness.systems.releases import cache as servers
from quorate.harness.systems.releases import download, signature
from quorate.harness.systems.releases.layouts import Layout
from quorate.harness.systems.releases.way import Progress, numbers

_MOST_MEMBERS: Final = 5000
_HEX: Final = re.compile(r"\b[0-9a-fA-F]{64,128}\b")


class Archive:
    """Download, verify, unpack."""

    name = "release archive"

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def unable(self) -> str | None:
        """One of its hosts must answer; asked once a process."""
        if not self._layout.any_platform and wanted().os != "linux":
            return f"servers are fetched for Linux, not for {wanted().os}"
        silent = [download.unreachable(root) for root in self._layout.roots()]
        return None if None in silent else "; ".join(filter(None, silent))

    def releases(self) -> list[str]:
        """None are known without asking."""
        return []

    def takes(self, release: str) -> bool:
        """Whether a release of this number may be published in this layout."""
        return self._layout.takes(release)

    def published(self) -> Sequence[str]:
        """Read the vendor's list of releases, once a process; none where it does not answer."""
        return _listed(self._layout, tuple(self._layout.lists_at()))

    def is_published(self, release: str) -> bool | None:
        """Ask each place for the archive."""
        said = [download.exists(url) for url in self._urls(self._layout.archive, release)]
        if True in said:
            return True
        return None if None in said else False

    def obtain(self, release: str, folder: Path, progress: Progress) -> str:
        """Fetch from the first place that has it; raises `Broken` for a wrong checksum or signature."""
        for root in self._layout.roots():
            try:
                return self._from(root, release, folder, progress)
            except Broken as error:
                if error.code != "not-there":
                    raise
        where = ", ".join(self._layout.roots())
        raise Broken("no-release", f"{self._layout.system} {release} for {wanted()} is not at {where}")

    def _from(self, root: str, release: str, folder: Path, progress: Progress) -> str:
        layout = self._layout
        url = root + layout.named(layout.archive, release, wanted())
        name = url.rpartition("/")[2]
        progress(f"downloading {name} from {root}")
        sums = download.data(root + layout.named(layout.checksums, release, wanted()))
        signed_by = self._check_checksums(root, release, sums)
        if name not in sums.decode(errors="replace") and download.exists(url) is False:
            raise Broken("not-there", f"{url} is not there")  # not for this platform
        expected = checksum_in(sums.decode(errors="replace"), name)
        archive = download.fetch(url, servers.root() / "downloads", progress)
        try:
            found = _digest(archive, layout.digest)
            if found != expected:
                raise Broken(
                    "bad-checksum", f"{url} has {layout.digest} {found}, not {expected} as published"
                )
            signed_by = self._check_archive(root, release, archive) or signed_by
            unpack(archive, layout.members, folder / layout.into)
        finally:
            archive.unlink(missing_ok=True)
        return f"from the release archive at {root}, {layout.digest} verified, {signed_by}"

    def _check_checksums(self, root: str, release: str, sums: bytes) -> str:
        """Verify the signature over the checksums, where that is what the vendor signs; say what was verified."""
        layout = self._layout
        if layout.signature is None:
            return "no signature is published"
        keys = signature.keys_of(layout.system)
        if not keys:
            return f"signature not verified: no key {layout.system}.asc in {signature.folders()[0]}"
        if layout.signed != "checksums":
            return ""
        url = root + layout.named(layout.signature, release, wanted())
        return f"signed by {signature.verify(download.data(url), sums, keys, url.rpartition('/')[2])}"

    def _check_archive(self, root: str, release: str, archive: Path) -> str | None:
        layout = self._layout
        keys = signature.keys_of(layout.system)
        if layout.signature is None or layout.signed != "archive" or not keys:
            return None
        url = root + layout.named(layout.signature, release, wanted())
        return f"signed by {signature.verify(download.data(url), archive, keys, url.rpartition('/')[2])}"

    def _urls(self, template: str, release: str) -> Iterator[str]:
        for root in self._layout.roots():
            yield root + self._layout.named(template, release, wanted())


def checksum_in(text: str, name: str) -> str:
    """Return the checksum of a file from a list of them, or from a file that holds one alone; raises `Broken`."""
    lines = [line for line in text.splitlines() if line.split()[-1:] in ([name], [f"*{name}"])]
    # Apache's older files wrap a single checksum in groups, after the name and a colon.
    found = _HEX.findall(lines[0] if lines else "") or _HEX.findall(
        "" if len(text.splitlines()) > 1 and ":" not in text else re.sub(r"\s", "", text.rpartition(":")[2])
    )
    if len(found) != 1:
        raise Broken("bad-checksum", f"the published checksums do not name {name}")
    return str(found[0]).lower()


def unpack(archive: Path, members: str, folder: Path) -> None:
    """Write the files whose path in the archive matches into the folder, by their last names, executable."""
    folder.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(members)
    taken = 0
    try:
        for name, file in _files(archive, pattern):
            target = folder / name.rpartition("/")[2]
            with target.open("wb") as out:
                shutil.copyfileobj(file, out)
            target.chmod(0o755)
            taken += 1
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise Broken("bad-archive", f"{archive.name} cannot be unpacked: {error}") from error
    if not taken:
        raise Broken("bad-archive", f"{archive.name} holds nothing like {members}")


def _files(archive: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as bundle:
            for name in bundle.namelist()[:_MOST_MEMBERS]:
                if pattern.fullmatch(name):
                    with bundle.open(name) as file:
                        yield name, file
        return
    with tarfile.open(archive) as tar:
        for count, member in enumerate(tar):
            if count >= _MOST_MEMBERS:
                return
            file_ = tar.extractfile(member) if member.isfile() and pattern.fullmatch(member.name) else None
            if file_ is not None:
                yield member.name, file_


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return str(hashlib.file_digest(file, kind).hexdigest())


@cache
def _listed(layout: Layout, pages: tuple[str, ...]) -> tuple[str, ...]:
    found: set[str] = set()
    for page in pages:
        try:
            found.update(re.findall(layout.listed, download.data(page).decode(errors="replace")))
        except Broken:
            continue
    fitting = [release for release in found if layout.takes(release)]
    return tuple(
        sorted(fitting, key=lambda release: (numbers(release), "-" not in release, release), reverse=True)
    )
