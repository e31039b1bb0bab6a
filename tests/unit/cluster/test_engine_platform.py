"""An engine that is elsewhere: a socket that answers as a Docker engine on another platform does."""

from __future__ import annotations

import asyncio
import http.server
import io
import json
import os
import socketserver
import tarfile
import threading
from pathlib import Path

import pytest

from quorate.harness.cluster import doctor
from quorate.harness.cluster.docker import engine, images
from quorate.harness.cluster.docker.dockerfiles import dockerfile
from quorate.harness.core import platform as platforms
from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken
from quorate.harness.core.platform import Platform
from quorate.harness.run.requirements import _platform
from quorate.harness.systems.placing import _platform as platform_of_node
from quorate.harness.systems.releases.catalogue import SYSTEMS
from quorate.harness.systems.releases.resolve import unobtainable


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, body, code=200):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        fake = self.server.fake
        if self.path.endswith("/_ping"):
            self.answer(b"OK")
        elif self.path.endswith("/version"):
            self.answer({"Os": "linux", "Arch": fake.arch, "ApiVersion": "1.44", "MinAPIVersion": "1.24"})
        elif "/distribution/" in self.path:
            self.answer(
                {"Descriptor": {}} if fake.registry else {"message": "no such host"},
                200 if fake.registry else 500,
            )
        elif "/images/" in self.path:
            name = self.path.split("/images/")[1].removesuffix("/json")
            there = name in fake.images
            self.answer({"Size": 1} if there else {"message": "No such image"}, 200 if there else 404)
        else:
            self.answer({"message": self.path}, 404)

    def do_POST(self):
        fake = self.server.fake
        length = int(self.headers.get("Content-Length") or 0)
        body = (
            self.chunks()
            if "chunked" in self.headers.get("Transfer-Encoding", "")
            else self.rfile.read(length)
        )
        if "/build" in self.path:
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                fake.built.append(archive.extractfile("Dockerfile").read().decode())
            tag = self.path.split("t=")[1].split("&")[0].replace("%3A", ":")
            if fake.fails:
                self.stream([{"stream": "step 2"}, {"error": fake.fails}])
                return
            fake.images.add(tag)
            self.stream([{"stream": "done"}])
        else:
            self.answer(b"", 201)

    def stream(self, said):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in said:
            data = json.dumps(line).encode() + b"\r\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def chunks(self):
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that has heard enough hangs up."""

    def get_request(self):
        request, _ = super().get_request()
        return request, ("engine", 0)


class Fake:
    def __init__(self, path):
        self.arch, self.registry, self.fails = "arm64", True, ""
        self.images, self.built = set(), []
        self.server = Server(str(path), Handler)
        self.server.fake = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def fake(monkeypatch, tmp_path):
    path = Path(
        f"/tmp/quorate-engine-{os.getpid()}.sock"
    )  # short: a socket's path has 107 characters at most
    path.unlink(missing_ok=True)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setenv("QUORATE_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(platforms, "here", lambda: Platform("linux", "amd64"))
    monkeypatch.setattr(images, "here", lambda: Platform("linux", "amd64"))
    running = Fake(path)
    yield running
    running.server.shutdown()
    running.server.server_close()
    path.unlink(missing_ok=True)


def test_the_engine_says_what_it_runs(fake):
    assert engine.platform(engine.connect()) == ("linux", "arm64")
    assert _platform("docker") == Platform("linux", "arm64")
    assert _platform("local") is None


def test_servers_that_cannot_be_had_for_it_are_told_beforehand(fake, monkeypatch):
    own = [way for way in SYSTEMS["etcd"].ways if way.name in {"Debian package", "PyPI wheel"}]
    with platforms.wanting(_platform("docker")):
        assert {way.unable() for way in own} == {"gives this host's platform, not linux/arm64"}
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("QUORATE_ETCD_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    with platforms.wanting(_platform("docker")):
        assert "not linux/arm64" in (unobtainable("etcd", "3.5.16") or "")


def test_node_images_for_another_platform_are_built_by_the_engine(fake):
    told = []
    tag = images.ensure_image("jre", progress=told.append)
    assert tag in fake.images
    base, jre = fake.built
    assert base.startswith("FROM debian:bookworm-slim\nRUN ")
    assert "busybox-static" in base
    assert jre.startswith(f"FROM {images.recipes().tag('base')}\n")
    assert "mkdir -p /usr/share/man/man1" in jre
    assert "default-jre-headless" in jre
    assert any("the engine builds" in line for line in told)


def test_the_registrys_debian_can_be_anothers(fake, monkeypatch):
    monkeypatch.setenv("QUORATE_BASE_IMAGE", "mirror.example.org/debian:12")
    images.ensure_image("base", progress=lambda _: None)
    assert fake.built[0].startswith("FROM mirror.example.org/debian:12\n")


def test_a_build_that_fails_says_why_and_what_else_there_is(fake):
    fake.fails = "pull access denied"
    with pytest.raises(
        Broken, match=r"pull access denied \(step 2\).*mmdebstrap.*QUORATE_BASE_IMAGE.*--image"
    ):
        images.ensure_image("base", progress=lambda _: None)


def test_on_its_own_platform_mmdebstrap_is_preferred(fake, monkeypatch):
    fake.arch = "amd64"
    monkeypatch.setattr(images.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert not images.by_engine(engine.connect())
    monkeypatch.setattr(images.shutil, "which", lambda _: None)
    assert images.by_engine(engine.connect())


def test_doctor_asks_the_registry(fake):
    assert doctor.image_builder().ok
    fake.registry = False
    finding = doctor.image_builder()
    assert not finding.ok
    assert "linux/arm64" in finding.reason
    assert "no such host" in finding.reason


def test_manual_pages_are_left_out():
    text = dockerfile("debian", ["procps"], [], ["/usr/share/man/*"])
    assert "path-exclude=/usr/share/man/*\\n" in text
    assert "mkdir" not in text


class Says:
    def __init__(self, words):
        self.words = words

    async def run(self, _argv, **_):
        if self.words is None:
            raise Broken("gone", "no uname")
        return Completed(0, self.words, "")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("Linux aarch64\n", Platform("linux", "arm64")),
        ("", None),
        (None, None),
        ("Linux x86_64", Platform("linux", "amd64")),
    ],
)
def test_a_node_says_what_it_is(words, meant):
    assert asyncio.run(platform_of_node(Says(words))) == meant
