"""How a segment of the log is packed on a node: without the zeros behind what is used of it."""

import gzip
import random
import subprocess

import pytest

from quorate.harness.systems.keeping import PACK

MIB = 1 << 20


@pytest.mark.parametrize("used", [0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB + 7, 3 * MIB])
def test_what_is_used_of_a_segment_is_kept(tmp_path, used):
    content = random.Random(used).randbytes(used)
    source, target = tmp_path / "0.wal", tmp_path / "0.gz"
    source.write_bytes(content + bytes(4 * MIB))
    subprocess.run(["sh", "-c", PACK, "pack", source, target], check=True, timeout=20)
    kept = gzip.decompress(target.read_bytes())
    assert kept.rstrip(b"\0") == content.rstrip(b"\0")
    assert len(kept) < used + 2 * MIB


def test_a_segment_that_is_full_is_kept_whole(tmp_path):
    content = random.Random(1).randbytes(2 * MIB) + b"x"
    (tmp_path / "0.wal").write_bytes(content)
    subprocess.run(["sh", "-c", PACK, "pack", tmp_path / "0.wal", tmp_path / "0.gz"], check=True, timeout=20)
    assert gzip.decompress((tmp_path / "0.gz").read_bytes()) == content
