"""What `quorate check` prints: bounded, harmless to a terminal, quick to start, and nothing written unasked."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from quorate.checkers import check
from quorate.checkers.words import bounded, plain, say
from quorate.harness.cli.main import main
from quorate.harness.history import Event, History


def line(at, process, kind, f, value=None, **more):
    return json.dumps({"time": at, "process": process, "type": kind, "f": f, "value": value, **more})


def stale(value, read, **more):
    return "\n".join(
        [
            line(1, 1, "invoke", "write", value, **more),
            line(2, 1, "ok", "write", value, **more),
            line(3, 2, "invoke", "read", **more),
            line(4, 2, "ok", "read", read, **more),
        ]
    )


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    def run(content, *words, command="check"):
        path = tmp_path / "history.jsonl"
        path.write_text(content)
        monkeypatch.setattr(sys, "argv", ["quorate", command, str(path), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_huge_values_are_cut(checked, words):
    big = "a" * 3_000_000
    code, text = checked(stale(big, big + "b", key=big), "--as", "register", *words)
    assert code == 1
    assert len(text) < 20_000
    assert "3,000,00" in text


def test_nothing_in_a_file_steers_the_terminal(checked):
    evil = "\x1b]0;PWN\x07\x1b[2J\u202e"
    for text in (
        checked(stale(evil, evil + "x", key=evil), "--as", "register")[1],
        checked(stale(1, 2).replace("write", evil), "--as", "register")[1],
        checked(f"1 {evil} hello")[1],
        checked(stale(1, 2), "--as", evil)[1],
    ):
        assert not any(one in text for one in ("\x1b", "\x07", "\u202e")), text


def test_escapes_show_what_was_there():
    assert plain("a\x1b[2J\u202e\tb\n") == "a\\x1b[2J\\u202e\tb\n"
    assert say(None) == "nothing"
    assert say([1] * 1000).endswith("(2,001 characters)")
    assert bounded({"a": ["x" * 3000]})["a"][0].endswith("(3,000 characters)")


def test_a_page_is_written_by_check_and_by_report(checked, tmp_path):
    code, text = checked(stale(1, None), "--as", "register", "--html", str(tmp_path / "one.html"))
    assert (code, "p2" in text) == (1, True)
    assert "read nothing" in (tmp_path / "one.html").read_text()
    code, text = checked(
        stale(1, None), "--as", "register", "--output", str(tmp_path / "two.html"), command="report"
    )
    assert (code, text.strip()) == (0, str(tmp_path / "two.html"))
    assert "read nothing" in (tmp_path / "two.html").read_text()


def test_lanes_show_the_operations_of_the_anomaly(checked):
    _, text = checked(stale(1, None), "--as", "register")
    assert "p1 ├─write 1─┤" in text


def test_a_register_that_starts_at_a_value_is_told_so(checked):
    read = "\n".join([line(1, 1, "invoke", "read"), line(2, 1, "ok", "read", 42)])
    assert checked(read, "--as", "register")[0] == 1
    assert checked(read, "--as", "register", "--initial", "42", "--verify")[0] == 0
    assert checked(read, "--as", "set", "--initial", "42")[0] == 4


def test_a_value_whose_write_had_failed_is_told_as_that():
    events = [
        Event(0, 0, 1, "invoke", "write", None, 5),
        Event(1, 10**9, 1, "fail", "write", None, 5),
        Event(2, 2 * 10**9, 2, "invoke", "read"),
        Event(3, 3 * 10**9, 2, "ok", "read", None, 5),
    ]
    anomaly = check(History.of(events), "register").anomalies[0]
    assert anomaly.sentence == "p2 read 5 at 3.000 s, but p1's write of it had failed at 1.000 s"


def test_events_without_times_are_named_by_their_number():
    events = [Event(0, 0, 2, "invoke", "read"), Event(1, 0, 2, "ok", "read", None, 5)]
    assert "p2 read 5 in event 1, but" in check(History.of(events), "register").anomalies[0].sentence


def test_null_is_an_element_like_any_other():
    events = [
        Event(0, 0, 1, "invoke", "add"),
        Event(1, 1, 1, "ok", "add"),
        Event(2, 2, 1, "invoke", "contains"),
        Event(3, 3, 1, "ok", "contains", None, False),
    ]
    assert "found null missing" in check(History.of(events), "set").anomalies[0].sentence


def test_check_starts_without_what_it_does_not_need(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(stale(1, 1))
    code = (
        "import sys; sys.argv = ['quorate', 'check', sys.argv[1], '--as', 'register']\n"
        "from quorate.harness.cli.main import main\n"
        "try:\n    main()\nfinally:\n    print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"pandas", "grpc", "docker", "kazoo", "aiohttp", "httpx", "jinja2", "pyarrow", "asyncssh"}
    assert not loaded & heavy
