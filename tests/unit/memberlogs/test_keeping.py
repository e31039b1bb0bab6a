"""How a segment of the log is packed on a node: without the zeros behind what is used of it."""

import asyncio
import gzip
import random
import re
import shutil
import subprocess
import tarfile
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from quorate.harness.core.memberlog import Start
from quorate.harness.core.outcome import Broken
from quorate.harness.systems import keeping
from quorate.harness.systems.keeping import PACK

MIB = 1 << 20


def packed(tmp_path, *sources):
    subprocess.run(["sh", "-c", PACK, "pack", tmp_path / "out", *sources], check=True, timeout=20)
    with tarfile.open(tmp_path / "out.tar") as tar:
        return {one.name: gzip.decompress(tar.extractfile(one).read()) for one in tar}


@pytest.mark.parametrize("used", [0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB + 7, 3 * MIB])
def test_what_is_used_of_a_file_is_kept(tmp_path, used):
    content = random.Random(used).randbytes(used)
    (tmp_path / "0.wal").write_bytes(content + bytes(4 * MIB))
    kept = packed(tmp_path, tmp_path / "0.wal")["0.wal.gz"]
    assert kept.rstrip(b"\0") == content.rstrip(b"\0")
    assert len(kept) < used + 2 * MIB


def test_files_that_are_full_are_kept_whole(tmp_path):
    content = random.Random(1).randbytes(2 * MIB) + b"x"
    (tmp_path / "0.wal").write_bytes(content)
    (tmp_path / "1.wal").write_bytes(b"y")
    assert packed(tmp_path, tmp_path / "0.wal", tmp_path / "1.wal") == {"0.wal.gz": content, "1.wal.gz": b"y"}


def test_files_make_the_journey_of_a_run(tmp_path):
    """From a node, here this machine, into a folder, and back."""
    node = Here(tmp_path)
    (tmp_path / "0.wal").write_bytes(b"abc" + bytes(3 * MIB))
    (tmp_path / "kept").mkdir()
    asyncio.run(keeping.fetch(node, [str(tmp_path / "0.wal")], tmp_path / "kept"))
    found = keeping.kept(tmp_path / "kept", ("*.wal",))
    assert found == {"0.wal": b"abc" + bytes(4096)}
    node.tools = False
    asyncio.run(keeping.fetch(node, [str(tmp_path / "0.wal")], tmp_path / "kept"))
    assert keeping.kept(tmp_path / "kept", ("*.wal",)) == found
    with pytest.raises(Broken, match="cannot pack 7 files"):
        asyncio.run(keeping.fetch(node, [str(tmp_path / "0.wal")] * 7, tmp_path / "kept"))


class Here:
    """As much of a node as is asked for."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.tools = True
        self.name = "n1"

    async def run(self, argv, **_more):
        ran = await asyncio.create_subprocess_exec(*argv) if self.tools else None
        return SimpleNamespace(code=127 if ran is None else await ran.wait(), stdout="", stderr="no tar")

    async def get(self, source, target):
        shutil.copy(source, target)


@pytest.mark.parametrize(
    ("line", "since"),
    [
        ("2026-11-29T14:00:01.500Z up", 1.5),
        ("2026-11-29T15:00:02.250+01:00 up", 2.25),
        ("2026-11-29 14:00:03,125 up", 3.125),  # of ZooKeeper, which runs in UTC
        ("2026-99-99T14:00:01.500Z up", None),
        ("\xff\xfe up", None),
    ],
)
def test_a_start_is_told_whatever_its_date_looks_like(tmp_path, line, since):
    log = tmp_path / "server.log"
    log.write_bytes(b"before\n" + line.encode("latin-1") + b"\nafter\n")
    began = datetime(2026, 11, 29, 14, tzinfo=UTC)
    begins = re.compile(rb"^(.+) up$", re.MULTILINE)
    assert keeping.starts(log, begins, began) == (Start(since, ""),)
    assert keeping.starts(log, begins, None) == (Start(None, ""),)
    assert keeping.starts(tmp_path / "none", begins, began) == ()
