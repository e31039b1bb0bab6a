"""Makes the log of a Consul server for tests: entries in msgpack, in a bolt database of one page for each level."""

import struct

PAGE = 4096


def packed(value):
    """Msgpack as raft's codec writes it: texts and bytes alike."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return b"\xcf" + struct.pack(">Q", value) if value > 127 else bytes([value])
        case str() | bytes():
            content = value.encode() if isinstance(value, str) else value
            return (
                bytes([0xA0 + len(content)])
                if len(content) < 32
                else b"\xda" + struct.pack(">H", len(content))
            ) + content
        case list():
            return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(packed, value))
        case dict():
            pairs = b"".join(packed(key) + packed(one) for key, one in value.items())
            return b"\xde" + struct.pack(">H", len(value)) + pairs
    raise TypeError(value)


def entry(index, body=None, kind=2, term=2, raft=0):
    data = bytes([kind]) + packed(body) if raft == 0 else b""
    return packed({"Index": index, "Term": term, "Type": raft, "Data": data, "Extensions": None})


def dirent(key, value=b"", index=0, session="", lock=0):
    return {
        "LockIndex": lock, "Key": key, "Flags": 0, "Value": value, "Session": session,
        "CreateIndex": 0, "ModifyIndex": index,
    }  # fmt: skip


def kv(op, key, value=b"", **more):
    return {"Datacenter": "quorate", "Op": op, "DirEnt": dirent(key, value, **more), "Token": ""}


def txn(*operations):
    ops = [
        {"KV": {"Verb": verb, "DirEnt": dirent(key, value, **more)}} for verb, key, value, more in operations
    ]
    return {"Datacenter": "quorate", "Ops": ops}


def session(op, name, node="n1", behavior="release"):
    return {
        "Op": op,
        "Session": {"ID": name, "Node": node, "NodeChecks": ["serfHealth"], "Behavior": behavior},
    }


def leaf(number, items, flags=0):
    """A leaf page with items, and as many pages behind it as it takes."""
    heads, content = b"", b""
    begin = 16 + 16 * len(items)
    for at, (key, value) in enumerate(items):
        position = begin - 16 - 16 * at + len(content)
        heads += struct.pack("<IIII", flags, position, len(key), len(value))
        content += key + value
    whole = struct.pack("<QHHI", number, 2, len(items), 0) + heads + content
    return whole + bytes(-len(whole) % PAGE)


def database(entries, term=2, first=1):
    """A raft.db with these entries from an index on."""
    items = [(struct.pack(">Q", at), value) for at, value in enumerate(entries, first)]
    logs = leaf(3, items)
    conf = leaf(3 + len(logs) // PAGE, [(b"CurrentTerm", struct.pack(">Q", term))])
    root = leaf(
        2,
        [(b"conf", struct.pack("<QQ", 3 + len(logs) // PAGE, 0)), (b"logs", struct.pack("<QQ", 3, 0))],
        flags=1,
    )
    pages = 3 + (len(logs) + len(conf)) // PAGE
    out = b""
    for number in range(2):
        meta = struct.pack("<IIIIQQQQQQ", 0xED0CDAED, 2, PAGE, 0, 2, 0, 0, pages, 5 + number, 0)
        head = struct.pack("<QHHI", number, 4, 0, 0) + meta
        out += head + bytes(PAGE - len(head))
    return out + root + logs + conf
