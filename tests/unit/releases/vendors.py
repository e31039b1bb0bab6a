"""A local server that lays out releases as the vendors do, and can cut a transfer, refuse ranges, or count requests."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from pathlib import Path

import pysequoia


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files with ranges; `server.cut` bytes are sent of the next archives, each then cut off."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        if path.is_dir() or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:8]}"'
        start = 0
        given = self.headers.get("Range")
        if given and server.ranges and self.headers.get("If-Range") == tag:
            start = int(given.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if server.cuts and path.suffix in {".gz", ".zip"}:
            body = body[: server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)
        self.wfile.flush()


class Vendors:
    """What stands on the server: folders below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        handler = functools.partial(Handler, directory=str(root))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.asked, self.server.cuts, self.server.ranges = [], [], True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.sums: dict[str, str] = {}
        self.key = pysequoia.Tsk.generate("Vendor <vendor@example.org>")

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def ranges_asked(self):
        return [given for path, given in self.server.asked if given]

    def etcd(self, release="3.6.16", arch="amd64", content=b"etcd binary " * 9000):
        name = f"etcd-v{release}-linux-{arch}.tar.gz"
        data = tar({f"etcd-v{release}-linux-{arch}/etcd": content, "etcd-v0/etcdctl": b"other"})
        self.put(f"v{release}/{name}", data)
        self.sums[name] = sha(data, "sha256")
        lines = [f"{'0' * 64}  other.zip", *(f"{digest}  {name}" for name, digest in self.sums.items())]
        self.put(f"v{release}/SHA256SUMS", "\n".join(lines).encode())
        return self.root / f"v{release}" / name

    def consul(self, release="1.19.2", signer=None):
        stem = f"consul/{release}/consul_{release}"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as bundle:
            bundle.writestr("LICENSE.txt", "licence")
            bundle.writestr("consul", b"consul binary")
        self.put(f"{stem}_linux_amd64.zip", buffer.getvalue())
        sums = f"{sha(buffer.getvalue(), 'sha256')}  consul_{release}_linux_amd64.zip\n".encode()
        self.put(f"{stem}_SHA256SUMS", sums)
        self.put(f"{stem}_SHA256SUMS.sig", self.signed(sums, signer))

    def zookeeper(self, release="3.9.5", signer=None):
        name = f"apache-zookeeper-{release}-bin.tar.gz"
        top = f"apache-zookeeper-{release}-bin"
        data = tar({f"{top}/lib/zookeeper.jar": b"jar", f"{top}/bin/zkServer.sh": b"script"})
        self.put(f"zookeeper/zookeeper-{release}/{name}", data)
        self.put(f"zookeeper/zookeeper-{release}/{name}.sha512", f"{sha(data, 'sha512')}  {name}\n".encode())
        self.put(f"zookeeper/zookeeper-{release}/{name}.asc", self.signed(data, signer))

    def signed(self, data, signer=None):
        key = (signer or self.key).signer()
        return pysequoia.sign(key, data, mode=pysequoia.SignatureMode.DETACHED)

    def put(self, path, data):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def sha(data, kind):
    return hashlib.new(kind, data).hexdigest()
