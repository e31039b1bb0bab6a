"""What must be refused, on which line, in which words; and what is merely cut short."""

import re
from pathlib import Path

import pytest
import zstandard

from quorate.harness.history import History, HistoryError
from quorate.harness.history.native import Handle

DATA = Path(__file__).parents[2] / "data" / "histories"
INVOKE = '{"index":0,"time":1,"process":0,"type":"invoke","f":"read"}\n'

MALFORMED = [
    # (what, text, line, part of the message)
    ("letters alone", "x\n", 1, "no `process"),
    ("no type", '{"process":0,"f":"read"}', 1, "type is missing"),
    (
        "no process, ambiguous",
        2 * '{"type":"invoke","f":"a"}\n' + '{"type":"ok","f":"a"}',
        3,
        "several operations",
    ),
    ("no process, not begun", INVOKE + '{"type":"ok","f":"read"}', 2, "nothing was begun"),
    ("no f", '{"type":"invoke","process":0}', 1, "f is missing"),
    ("a bad type", INVOKE + '\n{"process":0,"type":"done","f":"read"}', 3, "type must be"),
    ("a process of parts", '{"process":[1],"type":"invoke","f":"read"}', 1, "process must be"),
    ("a process below 0", '{"process":-4,"type":"invoke","f":"read"}', 1, "process must be"),
    ("a time of text", '{"process":0,"type":"invoke","f":"read","time":"noon"}', 1, "time must be"),
    ("a time out of range", '{"process":0,"type":"invoke","f":"read","time":1e30}', 1, "time must be"),
    ("a huge index", '{"process":0,"type":"invoke","f":"r","index":99999999999999999999}', 1, "index must"),
    ("f is a number", '{"process":0,"type":"invoke","f":3}', 1, "f must be a name"),
    ("asked twice", INVOKE + INVOKE.replace('x":0', 'x":1'), 2, "asked again before"),
    ("completed twice", INVOKE + 2 * '{"process":0,"type":"ok","f":"read"}\n', 3, "had not begun"),
    ("an unknown write, not begun", INVOKE + '{"process":7,"type":"info","f":"write"}\n', 2, "had not begun"),
    (
        "a client by name, not begun",
        INVOKE + '{"process":"c","type":"ok","f":"read"}\n',
        2,
        'process "c" comp',
    ),
    ("completed, not begun", '{"process":1,"type":"ok","f":"read"}\n' + INVOKE, 2, "had not begun"),
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
    ("an array among lines", INVOKE + "[\n" + INVOKE.replace('x":0', 'x":1') + ",\n", 3, "asked again"),
    ("EDN: a bad type", "{:process 0, :type :oops, :f :read}", 1, "type must be"),
    ("EDN: a map with an odd end", "\n{:process 0, :type :ok, :f}", 2, "without a value"),
    ("EDN: the wrong bracket", "{:process 0, :value [1 2)}", 1, '")" where "]"'),
    ("EDN: a name that is none", "{:process 0, 4 5}", 1, "must be a keyword"),
    ("EDN: no octal digit", "{:process 009}", 1, "not a number"),
    ("EDN: two vectors", "[{:process 0, :type :invoke, :f :a}]\n[]", 2, "cannot stand here"),
    ("EDN: a long row", "[0 :invoke :read nil :err 6]", 1, "more than process"),
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


@pytest.mark.parametrize(
    "odd",
    [
        "java.net.SocketTimeoutException: timeout",
        "\tat java.base/java.lang.Thread.run(Thread.java:1)",
        '{"type":"info","event":"phase","phase":"HEAL"}',
        '{"valid?":true,"stats":{"count":3}}',
        "[INFO] everything looks good",
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_no_event_is_passed_over_and_counted(tmp_path, odd, place):
    lines = [INVOKE, INVOKE.replace("invoke", "ok").replace('x":0', 'x":1')]
    lines.insert(place, odd + "\n")
    path = tmp_path / "history.jsonl"
    path.write_text("".join(lines))
    history = History.read(path)
    assert len(history) == 2
    assert "1 line or record that is not an event was passed over" in history.notes[0]
    assert f"line {place + 1}:" in history.notes[0]


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        # A client with several operations under way says which one an answer belongs to.
        (
            """{:process 0 :type :invoke :f :a}
               {:process 0 :type :invoke :f :b}
               {:process 0 :type :ok :f :b :index_of_invoke 1}
               {:process 0 :type :ok :f :a :index_of_invoke 0}""",
            [3, 2, 1, 0],
        ),
        ("[0 :invoke :w 1]\n[0 :info :w 1]\n[0 :ok :w 1]\n", [2, None, 0]),
        ("{:type :invoke :f :w}\n{:type :ok :f :w}\n", [1, 0]),
        ("[alice :invoke :w 1]\n[bob :invoke :w 2]\n[alice :ok :w 1]\n", [2, None, 0]),
        # Completions alone: each begins when its process is free.
        ("[0 :ok :w 1]\n[1 :ok :w 2]\n[0 :ok :w 3]\n", [2, 4, 0, 5, 1, 3]),
    ],
)
def test_completions_find_their_invocations(tmp_path, text, indexes):
    path = tmp_path / "history"
    path.write_text(text)
    history = History.read(path)
    pairs = [None if pair == 0xFFFFFFFF else pair for pair in history.columns.pair.tolist()]
    assert pairs == indexes


def test_seconds_are_told_by_a_fraction(tmp_path):
    path = tmp_path / "history"
    path.write_text(
        '{"time":1,"process":0,"type":"invoke","f":"r"}\n{"time":1.25,"process":0,"type":"ok","f":"r"}\n'
    )
    history = History.read(path)
    assert history.columns.time.tolist() == [1_000_000_000, 1_250_000_000]
    assert history.timed


def test_a_history_larger_than_the_memory_allowed_is_refused_with_what_it_needs(tmp_path):
    path = tmp_path / "history"
    path.write_text("[0 :invoke :w 1]\n[0 :ok :w 1]\n" * 100_000)
    with pytest.raises(HistoryError, match=r"needs about 0\.0\d+ GiB.*--check-memory"):
        History.read(path, memory_bytes=1 << 20)
    history = History.read(path, memory_bytes=1 << 30)
    assert len(history) == 200_000
    assert not history.timed


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("[0 :invoke :read [:a nil]]\n[0 :ok :read [:a 1]]\n", "auto", "a"),
        ("[0 :invoke :read [:a nil]]\n[0 :ok :read [:a 1]]\n", "no", None),
        ("[0 :invoke :read :a]\n[0 :ok :read [:a 1]]\n", "auto", "a"),
        ("[0 :invoke :write [1 2]]\n[0 :ok :write [1 2]]\n", "auto", None),
        ("[0 :invoke :write [1 2]]\n[0 :ok :write [1 2]]\n", "yes", 1),
        ("[0 :invoke :cas [[1 2] [3 4]]]\n[0 :ok :cas [[1 2] [3 4]]]\n", "auto", None),
        ("[0 :invoke :add [:job nil]]\n[0 :ok :add [:job nil]]\n", "auto", None),
    ],
)
def test_keys_are_taken_from_values_on_proof_or_when_asked(tmp_path, text, keys, expected):
    path = tmp_path / "history"
    path.write_text(text)
    history = History.read(path, keys=keys)
    assert history.columns.text(history.columns.key[0]) == expected
    assert bool(history.notes) == (expected is not None)


def test_what_may_or_may_not_be_keyed_is_refused(tmp_path):
    path = tmp_path / "history"
    path.write_text(
        "[0 :invoke :read [:a nil]]\n[0 :ok :read [:a 1]]\n[1 :invoke :read nil]\n[1 :ok :read 3]\n"
    )
    with pytest.raises(HistoryError, match=r"event 2 does not.*--keys yes"):
        History.read(path)
    assert len(History.read(path, keys="yes")) == 4


def test_a_compressed_file_that_does_not_fit_is_refused_with_what_it_needs(tmp_path):
    """The text behind equal bytes of it grows to the end: what is left is counted, not guessed from the file's size."""
    path = tmp_path / "history.jsonl.zst"
    line = '{{"process":{0},"type":"{1}","f":"write","value":{2}}}\n'
    text = "".join(line.format(n % 7, kind, n % 1_000) for n in range(200_000) for kind in ("invoke", "ok"))
    path.write_bytes(zstandard.ZstdCompressor(level=3).compress(text.encode()))
    with pytest.raises(HistoryError, match=r"needs about 0\.\d+ GiB") as refused:
        History.read(path, memory_bytes=4 << 20)
    needed = float(re.search(r"about ([\d.]+) GiB", str(refused.value))[1]) * 2**30
    assert needed < 200 << 20
    assert len(History.read(path, memory_bytes=round(needed))) == 400_000


@pytest.mark.parametrize("f", ["crash", "read"])
def test_an_info_that_ends_nothing_and_changed_nothing_is_passed_over(tmp_path, f):
    path = tmp_path / "history.jsonl"
    done = '{"process":0,"type":"ok","f":"read"}\n'
    path.write_text(INVOKE + f'{{"process":7,"type":"info","f":"{f}"}}\n' + done)
    history = History.read(path)
    assert [len(history), "nothing under way" in history.notes[0]] == [2, True]


def test_a_nemesis_is_one_in_either_spelling(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(INVOKE + '{"process":":nemesis","type":"info","f":"kill"}\n')
    assert [event.process for event in History.read(path).events()] == [0, "nemesis"]
