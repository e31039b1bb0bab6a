"""Files as other tools write them, of the same kinds as tests/data/cases: nothing about them is guessed in silence."""

from __future__ import annotations

import pytest

from quorate.checkers import check

_KINDS = {"i": "invoke", "o": "ok", "f": "fail", "n": "info"}


def edn(*events):
    """The text of a history; an event is (process, kind, function) and, where it says one, a value."""
    lines = []
    for process, kind, f, *value in events:
        said = f", :value {value[0]}" if value else ""
        lines.append(f"{{:process {process}, :type :{_KINDS[kind]}, :f :{f}{said}}}\n")
    return "".join(lines)


def wrote_and_read(wrote, read):
    return edn(
        (0, "i", "write", wrote), (0, "o", "write", wrote), (1, "i", "read", "nil"), (1, "o", "read", read)
    )


UUID = '"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"'


@pytest.mark.parametrize(
    ("wrote", "read"),
    [
        ("foo", '"foo"'),
        ("\\a", '"a"'),
        ("1/2", '"1/2"'),
        ("1/2", "0.5"),
        (f"#uuid {UUID}", UUID),
        (":1a", '"1a"'),
        (":" + "a" * 80, '"' + "a" * 80 + '"'),
        (":on", "on"),
        ("{:a :on}", '{:a "on"}'),
        ("#{:a}", '#{"a"}'),
    ],
)
def test_forms_of_edn_that_differ_are_different_values(tmp_path, wrote, read):
    path = tmp_path / "history.edn"
    path.write_text(wrote_and_read(wrote, read))
    assert check(path, "register").verdict == "invalid"
    path.write_text(wrote_and_read(wrote, wrote))
    assert check(path, "register").verdict == "valid"


def test_a_dequeue_that_does_not_say_what_came_out_proves_nothing(tmp_path):
    path = tmp_path / "history.edn"
    asked = ((0, "i", "enqueue", 6), (0, "o", "enqueue", 6), (1, "i", "dequeue"), (1, "o", "dequeue"))
    path.write_text(edn(*asked))
    assert check(path, "queue").verdict == "valid"
    path.write_text(edn(*asked, (1, "i", "dequeue"), (1, "o", "dequeue", 7)))
    assert check(path, "queue").verdict == "invalid"


def test_values_beside_versions_are_found_where_no_answer_has_a_version(tmp_path):
    path = tmp_path / "history.edn"
    path.write_text(
        edn(
            (0, "i", "cas", "[5 [nil [1 2]]]"),
            (0, "f", "cas", "[5 [nil [1 2]]]"),
            (1, "i", "read", "[5 [nil nil]]"),
            (1, "o", "read", "[5 [nil nil]]"),
        )
    )
    assert check(path, "cas-register").verdict == "valid"


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [("nil", "unknown"), ("#{6}", "valid"), ("#{}", "invalid")],
)
def test_a_set_that_was_read_as_null_may_be_empty_or_not_answered(tmp_path, seen, wanted):
    path = tmp_path / "history.edn"
    path.write_text(
        edn((0, "i", "add", 6), (0, "o", "add", 6), (1, "i", "read", "nil"), (1, "o", "read", seen))
    )
    assert check(path, "set").verdict == wanted


def test_a_null_read_hides_no_other_contradiction(tmp_path):
    path = tmp_path / "history.edn"
    path.write_text(
        edn(
            (0, "i", "add", 6),
            (0, "o", "add", 6),
            (1, "i", "read", "nil"),
            (1, "o", "read", "nil"),
            (1, "i", "read", "nil"),
            (1, "o", "read", "#{7}"),
        )
    )
    assert check(path, "set").verdict == "invalid"


@pytest.mark.parametrize(("total", "wanted"), [(1, "valid"), (2, "invalid")])
def test_increments_without_an_amount_are_by_one(tmp_path, total, wanted):
    path = tmp_path / "history.edn"
    steps = [step for f in ("inc", "increment", "dec") for step in ((0, "i", f), (0, "o", f))]
    path.write_text(edn(*steps, (1, "i", "read"), (1, "o", "read", total)))
    assert check(path, "counter").verdict == wanted


def test_an_id_that_was_not_given_is_not_given_twice(tmp_path):
    path = tmp_path / "history.edn"
    asked = (
        (0, "i", "generate"),
        (0, "o", "generate", "nil"),
        (1, "i", "generate"),
        (1, "o", "generate", "nil"),
    )
    path.write_text(edn(*asked))
    assert check(path, "unique-ids").verdict != "invalid"
