"""Remake etcd.descriptors from the .proto files: run this file (needs grpcio-tools)."""

from __future__ import annotations

import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("kv.proto", "rpc.proto", "v3lock.proto", "v3election.proto", "wal.proto", "raft_internal.proto")


def build() -> bytes:
    """Compile the trimmed files; raises `ImportError` without grpcio-tools."""
    from grpc_tools import protoc  # noqa: PLC0415 - a development dependency

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out"
        code = protoc.main(["protoc", f"-I{HERE}", f"--descriptor_set_out={target}", *FILES])
        if code != 0:
            raise RuntimeError(f"protoc ended with {code}")
        return target.read_bytes()


if __name__ == "__main__":
    (HERE / "etcd.descriptors").write_bytes(build())
