"""Write-ahead logs made for tests: frames, checksums and all, as server/storage/wal of etcd writes them."""

import json

from quorate.harness.systems.etcd.operations.wal import crc32c
from quorate.harness.systems.etcd.protocol import pb


def segment(records, crc=0):
    """A segment of (kind, message) records after the checksum of the one before; returns it and its own checksum."""
    content = _frame(pb.Record(type=4, crc=crc))
    for kind, message in records:
        data = message.SerializeToString()
        crc = crc32c(data, crc)
        content += _frame(pb.Record(type=kind, crc=crc, data=data))
    return content + bytes(4096), crc


def _frame(record):
    data = record.SerializeToString()
    padding = -len(data) % 8
    field = len(data) | (((0x80 | padding) << 56) if padding else 0)
    return field.to_bytes(8, "little") + data + bytes(padding)


def entry(index, request=None, term=2, kind=0):
    data = b"" if request is None else request.SerializeToString()
    return 2, pb.Entry(Type=kind, Term=term, Index=index, Data=data)


def put(key, value, member=1, number=0, lease=0):
    body = pb.PutRequest(key=key.encode(), value=json.dumps(value).encode(), lease=lease)
    return pb.InternalRaftRequest(header=header(member, number), put=body)


def txn(success, compare=(), failure=(), member=1, number=0):
    body = pb.TxnRequest(compare=compare, success=success, failure=failure)
    return pb.InternalRaftRequest(header=header(member, number), txn=body)


def put_op(key, value):
    return pb.RequestOp(request_put=pb.PutRequest(key=key.encode(), value=json.dumps(value).encode()))


def range_op(key, revision):
    return pb.RequestOp(request_range=pb.RangeRequest(key=key.encode(), revision=revision))


def delete(key, end=b"", member=1):
    body = pb.DeleteRangeRequest(key=key.encode(), range_end=end)
    return pb.InternalRaftRequest(header=header(member, 0), delete_range=body)


def compact(revision, member=1):
    body = pb.CompactionRequest(revision=revision)
    return pb.InternalRaftRequest(header=header(member, 0), compaction=body)


def header(member, number):
    return pb.RequestHeader(ID=(member << 48) | number)
