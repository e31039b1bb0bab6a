"""Every format that histories come in, with the content of each sample known."""

import gzip
from pathlib import Path

import pytest
import zstandard

from quorate.harness.history import History, HistoryError
from quorate.harness.history.source import Source

DATA = Path(__file__).parents[2] / "data" / "histories"


def rows(history):
    return [
        (event.process, event.type, event.f, event.key, event.value, event.error)
        for event in history.events()
    ]


def test_exchange_format():
    history = History.read(DATA / "exchange.jsonl")
    assert (len(history), history.format, history.truncated) == (7, "jsonl", False)
    assert history.event(4).session == "s-1"
    assert history.event(4).version == 12
    operations = history.operations()
    assert [operation.outcome for operation in operations] == ["ok", "info", "info"]
    assert operations[2].completion is None
    (partition,) = history.nemesis()
    assert partition.completion.value == {"action": "inject", "proof": {"bit": True}}


def test_unknown_fields_survive_an_export(tmp_path):
    history = History.read(DATA / "exchange.jsonl")
    for name in ("out.jsonl", "out.edn"):
        history.write(tmp_path / name, name.partition(".")[2])
        again = History.read(tmp_path / name)
        again.write(tmp_path / "again.jsonl")
        lines = (tmp_path / "again.jsonl").read_text().splitlines()
        assert '"colour":{"a":[1.5,"x"],"b":1}' in lines[0]
        assert '"session":"s-1"' in lines[4]
        assert again.events() == history.events()


def test_jepsen_edn_of_independent_keys():
    history = History.read(DATA / "jepsen.edn")
    assert history.format == "edn"
    assert rows(history) == [
        (0, "invoke", "write", 1, 4, None),
        ("nemesis", "info", "start-partition", None, None, None),
        (1, "invoke", "read", 1, None, None),
        ("nemesis", "info", "start-partition", None, ["isolated", {"n1": ["n2", "n3"]}], None),
        (0, "ok", "write", 1, 4, None),
        (1, "ok", "read", 1, 4, None),
        (0, "invoke", "cas", 2, [4, 5], None),
        (0, "info", "cas", 2, [4, 5], ["timeout", ""]),
    ]
    (fault,) = history.nemesis()
    assert (fault.invoke.index, fault.completion.index) == (1, 3)


def test_jepsen_records_and_tagged_tuples():
    history = History.read(DATA / "jepsen-records.edn")
    assert rows(history) == [
        (0, "invoke", "write", "x", 3, None),
        (0, "ok", "write", "x", 3, ["duplicate-key", "etcdserver: duplicate key"]),
    ]


def test_jepsen_text():
    history = History.read(DATA / "jepsen.txt")
    assert history.format == "text"
    assert rows(history) == [
        (0, "invoke", "read", None, None, None),
        (1, "invoke", "cas", None, [1, 2], None),
        ("nemesis", "info", "start", None, None, None),
        (0, "ok", "read", None, 1, None),
        ("nemesis", "info", "start", None, "Cut off {:n1 #{:n2}}", None),
        (1, "info", "cas", None, [1, 2], ["timed-out", ""]),
        (2, "invoke", "write", None, 3, None),
        (2, "fail", "write", None, 3, ["java.net.ConnectException: Connection refused", ""]),
    ]
    assert [event.time for event in history.events()] == list(range(8))


def test_a_log_with_other_lines():
    history = History.read(DATA / "jepsen-log.txt")
    assert rows(history) == [
        (0, "invoke", "write", None, 1, None),
        (0, "ok", "write", None, 1, None),
        (1, "invoke", "read", None, None, None),
        (1, "fail", "read", None, None, ["timed-out", ""]),
    ]


def test_knossos_maps_in_a_list():
    history = History.read(DATA / "knossos.edn")
    assert [(event.process, event.type, event.value) for event in history.events()] == [
        (0, "invoke", 0),
        (0, "ok", 0),
        (1, "invoke", None),
        (1, "ok", 3),
    ]


def test_knossos_rows():
    history = History.read(DATA / "knossos-rows.edn")
    assert rows(history)[4] == (73, "info", "write", None, 4, ["conn-lost", ""])
    assert len(history.nemesis()) == 1
    assert len(history.operations()) == 2


@pytest.mark.parametrize("name", ["elle.json", "elle.edn"])
def test_elle(name):
    history = History.read(DATA / name)
    assert rows(history) == [
        (1, "invoke", "txn", None, [["append", 253, 1], ["r", 253, None]], None),
        (1, "ok", "txn", None, [["append", 253, 1], ["r", 253, [1]]], None),
        (0, "invoke", "txn", None, [["r", 253, None]], None),
        (0, "fail", "txn", None, [["r", 253, None]], ["not-held", ""]),
    ]


@pytest.mark.parametrize("name", ["etcd_000", "etcd_002", "c01-ok", "c01-bad"])
def test_porcupine_logs_lose_no_line(name):
    path = DATA / "porcupine" / f"{name}.txt"
    history = History.read(path)
    assert len(history) == len(path.read_text().splitlines())
    assert not history.truncated
    functions = {event.f for event in history.events()}
    assert functions <= ({"read", "write", "cas"} if name.startswith("etcd") else {"read", "write", "append"})


def test_porcupine_timeouts_and_keys():
    history = History.read(DATA / "porcupine" / "etcd_000.txt")
    unknown = [operation for operation in history.operations() if operation.outcome == "info"]
    assert unknown
    assert all(op.completion is None or op.completion.error == ["timed-out", ""] for op in unknown)
    history = History.read(DATA / "porcupine" / "c01-ok.txt")
    assert history.event(0).key == "0"
    assert history.event(0).value == "x 0 0 y"


def test_compressed_files_are_told_by_content(tmp_path):
    plain = (DATA / "exchange.jsonl").read_bytes()
    expected = History.read(DATA / "exchange.jsonl").events()
    zipped = {
        "a": gzip.compress(plain),
        "b": gzip.compress(plain[:300]) + gzip.compress(plain[300:]),
        "c": zstandard.compress(plain),
        "d": zstandard.compress(plain[:300]) + zstandard.compress(plain[300:]),
        "e": plain,
        "f": b"\xef\xbb\xbf" + plain,
        "g": plain.replace(b"\n", b"\r\n"),
    }
    for name, data in zipped.items():
        (tmp_path / name).write_bytes(data)
        history = History.read(tmp_path / name)
        assert history.events() == expected, name
        assert not history.truncated


def test_a_damaged_file_is_not_a_truncated_one(tmp_path):
    data = bytearray(zstandard.compress((DATA / "exchange.jsonl").read_bytes()))
    data[8:12] = b"\xff\xff\xff\xff"
    (tmp_path / "bad.zst").write_bytes(data)
    with pytest.raises(HistoryError, match="damaged"):
        History.read(tmp_path / "bad.zst")


def test_the_format_can_be_forced(tmp_path):
    with pytest.raises(HistoryError, match="line 1"):
        History.read(DATA / "exchange.jsonl", format="edn")
    with pytest.raises(HistoryError, match="unknown format"):
        History.read(DATA / "exchange.jsonl", format="csv")
    with pytest.raises(HistoryError, match="No such file"):
        History.read(tmp_path / "nothing")


def test_empty_files_are_empty_histories(tmp_path):
    for number, text in enumerate(["", "\n\n", "[]", "[\n]\n", "()", "; nothing\n"]):
        path = tmp_path / str(number)
        path.write_text(text)
        history = History.read(path)
        assert len(history) == 0
        assert history.events() == []
        assert len(history.frame()) == 0
        assert len(history.event_frame()) == 0
        assert not history.truncated


def test_a_small_file_cannot_demand_all_memory(tmp_path):
    """Half a gigabyte of spaces in a few kilobytes: read in bounded pieces, and found to be no history."""
    path = tmp_path / "bomb.zst"
    compressor = zstandard.ZstdCompressor().compressobj()
    with path.open("wb") as file:
        for _ in range(512):
            file.write(compressor.compress(b" " * (1 << 20)))
        file.write(compressor.flush())
    assert path.stat().st_size < 100_000
    pieces = list(map(len, Source(path).chunks()))
    assert sum(pieces) == 512 << 20
    assert max(pieces) <= 128 << 20
