"""What is text in SSH and Docker: inventories, frames of a shell's output, recipes and layers of images."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.harness.cluster import factory, make_cluster
from quorate.harness.cluster.docker import images
from quorate.harness.cluster.ssh import framing, leftovers
from quorate.harness.cluster.ssh.connection import Connection
from quorate.harness.cluster.ssh.hosts import Host, address_of, parse_inventory, read_inventory
from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError

M = "quorate-0123"


def frame(*parts: tuple[str, bytes]) -> Completed | None:
    made = framing.Frame(M)
    for stream, data in parts:
        made.feed(stream, data)
    return made.complete


def test_a_frame_ends_with_both_markers_however_the_bytes_come() -> None:
    stdout, stderr = b"out\nmore\nquorate-0123 7\n", b"\nquorate-0123\n"
    whole = Completed(7, "out\nmore", "")
    assert frame(("stdout", stdout), ("stderr", stderr)) == whole
    assert frame(("stdout", stdout)) is None
    assert frame(("stderr", stderr), ("stdout", stdout[:-1])) is None
    for cut in range(len(stdout)):
        assert frame(("stdout", stdout[:cut]), ("stderr", stderr), ("stdout", stdout[cut:])) == whole
    single = [("stdout", bytes([byte])) for byte in stdout] + [("stderr", bytes([byte])) for byte in stderr]
    assert frame(*single) == whole


def test_a_marker_within_the_output_is_no_end() -> None:
    assert frame(
        ("stdout", b"say quorate-0123 9\nx\nquorate-0123 0\n"), ("stderr", b"\nquorate-0123\n")
    ) == Completed(0, "say quorate-0123 9\nx", "")


def test_output_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "OUTPUT_LIMIT", 10)
    with pytest.raises(Broken, match="too-much-output"):
        frame(("stdout", b"x" * 11))


@pytest.mark.parametrize(
    ("argv", "stdin", "expected"),
    [
        (
            ["printf", "%s|", "a b", "'", '"', "$HOME", "\n", "*"],
            b"",
            Completed(0, "a b|'|\"|$HOME|\n|*|", ""),
        ),
        (["cat"], b"\x00 bytes '\n", Completed(0, "\x00 bytes '\n", "")),
        (["sh", "-c", "echo out; echo err >&2; exit 3"], b"", Completed(3, "out\n", "err\n")),
        (["sleep", "60"], b"", Completed(137, "", "")),
        (["pwd"], b"", Completed(0, "/usr\n", "")),
        (["sh", "-c", "echo $NAME"], b"", Completed(0, "a 'value'\n", "")),
        (["/nonexistent"], b"", Completed(127, "", "")),
    ],
)
def test_a_shell_runs_the_line_and_goes_on(argv: list[str], stdin: bytes, expected: Completed) -> None:
    options: dict[str, Any] = {"timeout_s": 0.5, "stdin": stdin, "env": {"NAME": "a 'value'"}, "cwd": "/usr"}
    lines = framing.line_of(argv, M, **options) + framing.line_of(["echo", "on"], "next", timeout_s=5)
    done = subprocess.run(["sh"], input=lines, capture_output=True, check=True)
    told = frame(("stdout", done.stdout), ("stderr", done.stderr))
    assert told is not None
    assert (told.code, told.stdout) == (expected.code, expected.stdout)
    assert expected.stderr in told.stderr
    assert b"on\n\nnext 0\n" in done.stdout


def test_inventories_have_defaults_and_say_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(
        'user = "tester"\nsudo = true\n[[hosts]]\nhost = "10.0.0.1"\n[[hosts]]\nhost = "b"\nuser = "root"\n'
    )
    first, second = read_inventory(path)
    assert (first.user, first.sudo, first.port, second.user) == ("tester", True, 22, "root")
    assert address_of(first) == "10.0.0.1"
    assert address_of(Host("somewhere", address="10.0.0.9")) == "10.0.0.9"
    for text, match in (
        ("", "no \\[\\[hosts\\]\\]"),
        ("[[hosts]]\n", "host 1.*`host`"),
        ('[[hosts]]\nhost = "a"\nport = "x"\n', "host 1.*port"),
        ('[[hosts]]\nhost = "a"\npasword = "x"\n', "pasword"),
        ('[[hosts]]\nhost = "a"\ndirectory = "data"\n', "absolute"),
        ('[[hosts]]\nhost = "a"\n[[hosts]]\nhost = "a"\n', "twice"),
        ("hosts = [\n", "not valid TOML"),
        ("hosts = [1]\n", "host 1"),
    ):
        path.write_text(text)
        with pytest.raises(UsageError, match=match):
            read_inventory(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_inventory(tmp_path / "none")
    with pytest.raises(Broken, match="no IPv4"):
        address_of(parse_inventory({"hosts": [{"host": "no.such.host.invalid"}]})[0])


def test_only_run_ids_are_removed_from_hosts() -> None:
    with pytest.raises(Broken, match="not a run id"):
        leftovers.end_run(Connection(Host("127.0.0.1")), "../..")


def test_images_are_named_by_what_they_hold() -> None:
    known = images.recipes()
    tags = {kind: known.tag(kind) for kind in known.kinds}
    assert len(set(tags.values())) == len(tags)
    changed = msgspec.structs.replace(
        known, kinds={**known.kinds, "base": images.Recipe(packages=("other",))}
    )
    assert all(changed.tag(kind) != tag for kind, tag in tags.items())  # what stands upon it changes too
    jre = msgspec.structs.replace(
        known, kinds={**known.kinds, "jre": images.Recipe(packages=("other",), base="base")}
    )
    assert [kind for kind in tags if jre.tag(kind) != tags[kind]] == ["jre"]


def test_a_layer_holds_only_what_changed(tmp_path: Path) -> None:
    def write(name: str, members: dict[str, bytes], links: dict[str, str]) -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w") as archive:
            for member, content in members.items():
                header = tarfile.TarInfo(f"./{member}")
                header.size = len(content)
                archive.addfile(header, io.BytesIO(content))
            for member, target in links.items():
                header = tarfile.TarInfo(f"./{member}")
                header.type, header.linkname = tarfile.LNKTYPE, f"./{target}"
                archive.addfile(header)
        return path

    lower = write("lower", {"same": b"1", "changed": b"1", "dev/null": b""}, {})
    upper = write(
        "upper",
        {"same": b"1", "changed": b"22", "new": b"3", "dev/zero": b""},
        {"link": "same", "two": "new"},
    )
    images.write_difference(lower, upper, tmp_path / "layer")
    with tarfile.open(tmp_path / "layer") as archive:
        assert [member.name for member in archive] == ["changed", "new", "link", "two"]
        read = {name: archive.extractfile(name) for name in ("changed", "new", "link", "two")}
        assert {name: file.read() for name, file in read.items() if file} == {
            "changed": b"22",
            "new": b"3",
            "link": b"1",  # its other name is below: a link to it would dangle in the layer
            "two": b"3",
        }


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("podman", {}, "no cluster is called 'podman'"),
        ("local", {"count": 0}, "not 0"),
        ("local", {"image": "x"}, "images are for Docker"),
        ("ssh", {}, "--inventory"),
    ],
)
def test_impossible_clusters_are_refused(kind: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make_cluster(kind, run_id="q0000000000", **options)


def test_without_an_engine_auto_is_local_and_docker_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert not factory.engine_answers()
    assert type(make_cluster("auto", run_id="q0000000000")).__name__ == "LocalCluster"
    with pytest.raises(Broken, match="--cluster local"):
        images.ensure_image()
