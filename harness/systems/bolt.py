"""The pages in use of a bbolt database (etcd's, Consul's), found as bbolt finds them: from the newest meta page.

Format: go.etcd.io/bbolt, page.go, bucket.go and db.go; all little-endian. Pages that are free may look like any other,
so a scan of the file would hit unused pages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from quorate.harness.core.outcome import Broken

_HEADER: Final = struct.Struct("<QHHI")  # id, flags, count, overflow
# magic, version, page size, flags, root, sequence, freelist, high water, transaction, checksum
_META: Final = struct.Struct("<IIIIQQQQQQ")
_LEAF: Final = struct.Struct("<IIII")  # flags, position, key size, value size
_BRANCH: Final = struct.Struct("<IIQ")  # position, key size, page
META_ROOT: Final = 16  # in a meta page: where the root is stored
_MAGIC: Final = 0xED0CDAED
_IS_BRANCH, _IS_LEAF = 0x01, 0x02
_PAGE_SIZES: Final = (4096, 8192, 16384, 32768, 65536)
_IS_BUCKET: Final = 0x01  # of an element of a leaf
_BUCKET_HEADER: Final = 16


class Meta(msgspec.Struct, frozen=True):
    """One of the two pages at the beginning, written in turn: what was committed, and where in the file it stands."""

    transaction: int
    offset: int
    page_size: int
    root: int
    pages: int  # how many there are in use; the file may be longer


def values_of(content: bytes, bucket: bytes) -> list[tuple[int, int]]:
    """Return offset and length of every value in a bucket, in order of keys; raise `Broken` for no bbolt file."""
    return [(at, count) for _, at, count in _in_bucket(content, bucket)]


def items_of(content: bytes, bucket: bytes) -> list[tuple[bytes, bytes]]:
    """Return key and value of all in a bucket, in order of keys; raise `Broken` for no bbolt file, or a damaged one."""
    return [(key, content[at : at + count]) for key, at, count in _in_bucket(content, bucket)]


def _in_bucket(content: bytes, bucket: bytes) -> list[tuple[bytes, int, int]]:
    meta = newest_meta(content)
    size = meta.page_size
    try:
        for flags, key, start, _ in _walk(content, size, meta.root * size, set()):
            if flags & _IS_BUCKET and key == bucket:
                (page,) = struct.unpack_from("<Q", content, start)
                # A small bucket is stored in its parent's page, behind its header, as a separate page.
                inline = (start + _BUCKET_HEADER) if page == 0 else page * size
                values = _walk(content, size, inline, set())
                return [(name, at, count) for other, name, at, count in values if not other & _IS_BUCKET]
    except struct.error as error:
        raise Broken("no-database", "its tree is broken: a page ends early") from error
    raise Broken("no-bucket", f"the database has no bucket {bucket.decode()}")


def newest_meta(content: bytes) -> Meta:
    """Return the meta page with the highest transaction; raise `Broken` where there is none."""
    found = []
    for size in _PAGE_SIZES:
        for page in (0, 1):
            at = page * size + _HEADER.size
            if at + _META.size > len(content):
                continue
            magic, _, told, _, root, _, _, pages, transaction, _ = _META.unpack_from(content, at)
            if magic == _MAGIC and told == size:
                found.append(Meta(transaction, at, size, root, pages))
    if not found:
        raise Broken("no-database", "it has no meta page of bbolt")
    return max(found, key=lambda meta: meta.transaction)


def _walk(content: bytes, size: int, at: int, above: set[int]) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield flags, key, and offset and length of the value, of every element below the page at this offset.

    `above` are the pages that were walked: each belongs to a tree once, whatever a damaged one says.
    """
    if at in above or at + _HEADER.size > len(content):
        raise Broken("no-database", "its tree is broken already")
    above.add(at)
    _, flags, count, _ = _HEADER.unpack_from(content, at)
    for number in range(count):
        where = at + _HEADER.size + number * _LEAF.size
        if flags & _IS_LEAF:
            kind, position, key, value = _LEAF.unpack_from(content, where)
            start = where + position
            if start + key + value > len(content):
                raise Broken("no-database", "its tree is broken already")
            yield kind, content[start : start + key], start + key, value
        elif flags & _IS_BRANCH:
            _, _, child = _BRANCH.unpack_from(content, where)
            yield from _walk(content, size, child * size, above)
