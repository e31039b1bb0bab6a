"""What must be refused, on which line, in which words; and what is merely cut short."""

from pathlib import Path

import pytest

from quorate.harness.history import History, HistoryError
from quorate.harness.history.native import Handle

DATA = Path(__file__).parents[2] / "data" / "histories"
INVOKE = '{"index":0,"time":1,"process":0,"type":"invoke","f":"read"}\n'

MALFORMED = [
    # (what, text, line, part of the message)
    ("a letter too many", INVOKE + "x\n", 2, "must be an object"),
    ("no type", '{"process":0,"f":"read"}', 1, "type is missing"),
    ("no process", '{"type":"invoke","f":"read"}', 1, "process is missing"),
    ("no f", '{"type":"invoke","process":0}', 1, "f is missing"),
    ("a bad type", INVOKE + '\n{"process":0,"type":"done","f":"read"}', 3, "type must be"),
    ("a process of text", '{"process":"p1","type":"invoke","f":"read"}', 1, "process must be"),
    ("a process below 0", '{"process":-4,"type":"invoke","f":"read"}', 1, "process must be"),
    ("a float time", '{"process":0,"type":"invoke","f":"read","time":1.5}', 1, "time must be an integer"),
    ("a huge index", '{"process":0,"type":"invoke","f":"r","index":99999999999999999999}', 1, "index must"),
    ("f is a number", '{"process":0,"type":"invoke","f":3}', 1, "f must be a name"),
    ("asked twice", INVOKE + INVOKE.replace('x":0', 'x":1'), 2, "asked again before"),
    ("completed twice", INVOKE + 2 * '{"process":0,"type":"ok","f":"read"}\n', 3, "had not begun"),
    ("completed, not begun", '{"process":0,"type":"ok","f":"read"}', 1, "had not begun"),
    ("another f", INVOKE + '{"process":0,"type":"ok","f":"write"}', 2, "had asked for"),
    (
        "another index_of_invoke",
        INVOKE + '{"index":1,"process":0,"type":"ok","f":"read","index_of_invoke":5}',
        2,
        "index_of_invoke is 5",
    ),
    ("a missing brace", INVOKE.replace("}", "") + INVOKE, 2, "is missing"),
    ("a missing comma", '{"index":0 "time":1}', 1, '"," or "}" is missing'),
    ("a name without quotes", "{index:0}", 1, "without a value"),
    ("a leading zero", '{"index":00}', 1, "leading zero"),
    ("a number beyond floats", INVOKE.replace("}", ',"value":1e999}'), 1, "out of range"),
    ("a control character", '{"f":"a\tb"}', 1, "control character"),
    ("half a pair", '{"f":"\\ud800"}', 1, "surrogate"),
    ("not UTF-8", b'{"f":"\xff\xfe"}', 1, "not UTF-8"),
    ("nested too deep", '{"value":' + "[" * 500 + "]" * 500 + "}", 1, "nested deeper"),
    ("a line after an array", "[" + INVOKE + "]\n" + INVOKE, 3, "cannot stand here"),
    ("no comma in an array", "[" + INVOKE + INVOKE + "]", 2, "cannot stand here"),
    ("an array among lines", INVOKE + "[", 2, "cannot stand here"),
    ("EDN: a bad type", "{:process 0, :type :oops, :f :read}", 1, "type must be"),
    ("EDN: a map with an odd end", "\n{:process 0, :type :ok, :f}", 2, "without a value"),
    ("EDN: the wrong bracket", "{:process 0, :value [1 2)}", 1, '")" where "]"'),
    ("EDN: a name that is none", "{:process 0, 4 5}", 1, "must be a keyword"),
    ("EDN: octal", "{:process 007}", 1, "not a number"),
    ("EDN: two vectors", "[{:process 0, :type :invoke, :f :a}]\n[]", 2, "cannot stand here"),
    ("EDN: a long row", "[0 :invoke :read nil :err 6]", 1, "more than process"),
    ("text: a line without a type", "0\t:invoke\t:read\tnil\nhello world\n", 2, "no `process"),
    ("text: a broken value", "0\t:invoke\t:cas\t[1 2\n", 1, "too early"),
    ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(100), 1, "no `process"),
]


@pytest.mark.parametrize(
    ("text", "line", "words"), [case[1:] for case in MALFORMED], ids=[c[0] for c in MALFORMED]
)
def test_malformed_input_is_refused_on_its_line(tmp_path, text, line, words):
    path = tmp_path / "history"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(HistoryError) as caught:
        History.read(path)
    assert words in str(caught.value)
    assert caught.value.line == line
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "name", ["exchange.jsonl", "jepsen.edn", "jepsen-records.edn", "elle.json", "knossos.edn"]
)
def test_a_cut_file_keeps_every_whole_event(name):
    whole = History.read(DATA / name)
    lines = whole.handle.write("jsonl", 0, len(whole)).splitlines()
    data = (DATA / name).read_bytes()
    seen = set()
    for length in range(len(data)):
        handle = Handle(whole.format)
        handle.feed(data[:length])
        handle.finish()
        count = len(handle)
        # Keys may be split off only once a later event proves them, so compare what no split changes.
        assert [line.split(b'"f"')[0] for line in handle.write("jsonl", 0, count).splitlines()] == [
            line.split(b'"f"')[0] for line in lines[:count]
        ]
        seen.add(count)
    assert seen == set(range(len(whole) + 1)) - ({len(whole)} if data.endswith(b"}") else set())


TEXT = "0\t:invoke\t:write\t12\n0\t:ok\t:write\t12\n1\t:invoke\t:read\tnil\n"


@pytest.mark.parametrize(
    ("last", "events"),
    [
        ("1\t:ok\t:read\t1", 3),  # may have been 12
        ("1\t:ok\t:read\t", 3),
        ("1\t:ok\t:read", 3),
        ("1\t:ok\t:read\t12\n", 4),
        ("1\t:ok\t:read\tnil", 4),
        ("1\t:invoke\t:cas\t[1 12]", 3),  # process 1 is at work: cut lines and bad ones look alike
        ("2\t:invoke\t:cas\t[1 12]", 4),
        ('2\t:invoke\t:write\t"a"', 4),
        ("INFO  jepsen.core - done", 3),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_line_of_text_that_may_have_been_cut_is_left_out(last, events, size):
    data = (TEXT + last).encode()
    handle = Handle()
    for start in range(0, len(data), size):
        handle.feed(data[start : start + size])
    about = handle.finish()
    assert about.events == events
    assert about.truncated == (events == 3 and not last.startswith("INFO"))


@pytest.mark.parametrize(
    ("magic", "words"),
    [
        (b"PK\x03\x04", "zip archive"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"BZh9", "bzip2"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b"PAR1", "Parquet"),
    ],
)
def test_what_is_another_format_is_called_by_its_name(tmp_path, magic, words):
    path = tmp_path / "history"
    path.write_bytes(magic + bytes(20))
    with pytest.raises(HistoryError, match=words) as caught:
        History.read(path)
    assert "plain, .gz or .zst" in str(caught.value)


def test_a_cut_in_an_event_is_told(tmp_path):
    path = tmp_path / "cut.jsonl"
    path.write_text(INVOKE + '{"index":1,"process":0,"ty')
    history = History.read(path)
    assert (len(history), history.truncated) == (1, True)


@pytest.mark.parametrize("name", ["exchange.jsonl", "jepsen.edn", "jepsen.txt", "elle.json", "knossos.edn"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_chunks_may_be_cut_anywhere(name, size):
    data = (DATA / name).read_bytes()
    handle = Handle()
    for start in range(0, len(data), size):
        handle.feed(data[start : start + size])
    handle.finish()
    whole = History.read(DATA / name)
    assert handle.write("jsonl", 0, 1000) == whole.handle.write("jsonl", 0, 1000)


def test_a_huge_event_is_refused_not_hoarded():
    handle = Handle("jsonl")
    handle.feed(b'{"value":"')
    chunk = b"x" * (1 << 20)
    for _ in range(63):
        handle.feed(chunk)
    with pytest.raises(HistoryError, match="longer than 64 MiB"):
        handle.feed(chunk + chunk)


def test_values_of_pairs_are_not_taken_for_keys_without_proof(tmp_path):
    path = tmp_path / "history.edn"
    path.write_text(
        "{:process 0 :type :invoke :f :cas :value [1 2]}\n{:process 0 :type :ok :f :cas :value [1 2]}\n"
    )
    assert History.read(path).event(0).value == [1, 2]
    path.write_text(
        "{:process 0 :type :invoke :f :cas :value [1 2]}\n{:process 1 :type :invoke :f :read :value nil}\n"
    )
    assert History.read(path).event(0).value == [1, 2]
