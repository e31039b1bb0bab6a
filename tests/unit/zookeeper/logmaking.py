"""Makes ZooKeeper's transaction logs and snapshots for tests, and the digests that a leader writes into them."""

import struct
import zlib

from quorate.harness.systems.zookeeper.operations.transactions import decoded
from quorate.harness.systems.zookeeper.operations.tree import Tree
from quorate.harness.systems.zookeeper.operations.txnlog import Raw

ACL = struct.pack("!ii", 1, 31) + b"".join(struct.pack("!i", len(one)) + one for one in (b"world", b"anyone"))


def string(text):
    content = text.encode()
    return struct.pack("!i", len(content)) + content


def create(path, data=b"", ephemeral=False, version=-1):  # noqa: FBT002 - as the record has it
    return 1, string(path) + struct.pack("!i", len(data)) + data + ACL + struct.pack(
        "!?i", ephemeral, version
    )


def delete(path):
    return 2, string(path)


def put(path, data, version):
    return 5, string(path) + struct.pack("!i", len(data)) + data + struct.pack("!i", version)


def error(code=-101):
    return -1, struct.pack("!i", code)


def session():
    return -10, struct.pack("!i", 4000)


def close(*paths):
    return -11, struct.pack("!i", len(paths)) + b"".join(map(string, paths))


def multi(*parts):
    body = b"".join(struct.pack("!ii", kind, len(content)) + content for kind, content in parts)
    return 14, struct.pack("!i", len(parts)) + body


class Leader:
    """Numbers transactions, and writes the digest of its tree behind each."""

    def __init__(self, epoch=1, *, digests=True):
        self.zxid = epoch << 32
        self.tree = Tree()
        self.digests = digests

    def log(self, *bodies, session=7):
        found = []
        for kind, body in bodies:
            self.zxid += 1
            raw = Raw(self.zxid, session, 1, 1_000 + self.zxid % 1000, kind, body)
            self.tree.apply(decoded(raw))
            if self.digests and kind != -1:
                digest = self.tree.digest & ((1 << 64) - 1)
                raw = Raw(*raw_fields(raw)[:-1], body + struct.pack("!iQ", 2, digest))
            found.append(raw)
        return found


def raw_fields(raw):
    return raw.zxid, raw.session, raw.cxid, raw.time_ms, raw.kind, raw.body


def frame(raw):
    body = struct.pack("!qiqqi", raw.session, raw.cxid, raw.zxid, raw.time_ms, raw.kind) + raw.body
    return struct.pack("!qi", zlib.adler32(body), len(body)) + body + b"B"


def file(raws, zeros=4096):
    return struct.pack("!4siq", b"ZKLG", 2, 0) + b"".join(map(frame, raws)) + bytes(zeros)


def snapshot(tree):
    out = struct.pack("!4siq", b"ZKSN", 2, -1) + struct.pack("!iqi", 1, 7, 4000)
    out += struct.pack("!iq", 1, 1) + ACL
    for path, node in tree.nodes.items():
        out += string(path) + struct.pack("!i", len(node.data)) + node.data + struct.pack("!q", 1)
        out += struct.pack("!qqqq", node.czxid, node.mzxid, node.ctime, node.mtime)
        out += struct.pack("!iiiqq", node.version, node.creations, node.aversion, node.owner, node.pzxid)
    out += string("/")
    return out + struct.pack("!q", zlib.adler32(out)) + string("/")
