"""The same anomaly is known by guarantee, kind and kind of cause, whatever keys, times and nodes it came with."""

from __future__ import annotations

import pytest

from quorate.harness.core import reading
from quorate.harness.core.results import Death, Results
from quorate.harness.core.signature import Signature, alike, parse, signatures
from quorate.harness.core.test import UsageError


def results(guarantee, *anomalies, verdict="invalid", **more):
    told = [{"sentence": "", **anomaly} for anomaly in anomalies]
    plain = {"guarantee": guarantee, "verdict": verdict, "anomalies": told, **more}
    return reading.record({"guarantees": [plain]}, Results, [], "")


def crash(*lines, sentence="the server on n1 ended by itself at 3.0 s, and no fault did it", node="n1"):
    return {"name": "server crashed", "key": node, "sentence": sentence, "detail": {"lines": list(lines)}}


def test_keys_times_and_sentences_do_not_count():
    first = results("linearizable", {"name": "stale read", "key": "k1", "sentence": "p1 read 3 at 1.0 s"})
    second = results("linearizable", {"name": "stale read", "key": "k7", "sentence": "p9 read 8 at 7.5 s"})
    assert signatures(first) == signatures(second) == {Signature("linearizable", "stale-read")}


def test_another_kind_or_guarantee_is_another_anomaly():
    stale = signatures(results("linearizable", {"name": "stale read"}))
    phantom = signatures(results("linearizable", {"name": "phantom value"}))
    versions = signatures(results("versions-never-regress", {"name": "stale read"}))
    assert not alike(stale, phantom)
    assert not alike(stale, versions)
    assert alike(stale, stale | phantom)


def test_a_contradiction_that_was_not_made_small_may_be_any_kind_of_its_guarantee():
    vague = signatures(results("linearizable", {"name": "no order"}))
    assert alike(vague, {Signature("linearizable", "stale-read")})
    assert not alike(vague, {Signature("serializable", "g1c")})


def test_valid_and_unknown_guarantees_have_no_signature():
    assert signatures(results("linearizable", verdict="unknown")) == frozenset()
    assert signatures(results("linearizable", verdict="valid")) == frozenset()
    assert signatures(Results()) == frozenset()


def test_kinds_that_are_only_counted_are_found_as_well():
    found = signatures(
        results(
            "watches-are-reliable",
            {"name": "missing change"},
            stats={"violations": {"missing change": 30, "unordered": 1}},
        )
    )
    assert found == {
        Signature("watches-are-reliable", "missing-change"),
        Signature("watches-are-reliable", "unordered"),
    }


def test_a_plain_number_of_violations_tells_no_kinds():
    found = signatures(results("unique", {"name": "number twice"}, stats={"violations": 3}))
    assert found == {Signature("unique", "number-twice")}


def test_the_workload_stands_before_the_guarantee_where_several_run_side_by_side():
    (found,) = signatures(results("register: linearizable", {"name": "stale read"}))
    assert str(found) == "register/linearizable:stale-read"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "panic: tocommit(107) is out of range [lastIndex(93)]. Was the raft log corrupted?",
            "tocommit-is-out-of-range-lastindex",
        ),
        ('{"level":"fatal","ts":"2026-11-28T12:00:04.500Z","msg":"failed to apply 77"}', "failed-to-apply"),
        (
            "[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x7f3]",
            "signal-sigsegv-segmentation-violation-code-addr",
        ),
    ],
)
def test_crashes_are_told_apart_by_what_the_server_said(line, cause):
    (found,) = signatures(results("servers-stay-up", crash("starting", line)))
    assert found == Signature("servers-stay-up", "server-crashed", cause)
    (elsewhere,) = signatures(results("servers-stay-up", crash(line.replace("107", "9911"), node="n3")))
    assert elsewhere == found


def test_a_silent_death_and_a_refusal_to_start_are_causes_too():
    (died,) = signatures(results("servers-stay-up", crash("(no log was fetched)")))
    (refused,) = signatures(
        results("servers-stay-up", crash(sentence="the server on n1 did not start again after kill at 3 s"))
    )
    assert (died.cause, refused.cause) == ("ended-by-itself", "did-not-start-again")


def test_a_death_without_a_verdict_on_it_is_a_finding():
    (found,) = signatures(Results(deaths=[Death(1.0, "n2")]))
    assert str(found) == "servers-stay-up:server-crashed@ended-by-itself"


def test_the_text_is_read_again():
    for text in (
        "linearizable:stale-read",
        "register/linearizable:stale-read",
        "servers-stay-up:server-crashed@x-y",
    ):
        assert str(parse(text)) == text


def test_what_is_no_signature_is_refused_with_the_form():
    with pytest.raises(UsageError, match="linearizable:stale-read"):
        parse("stale read")


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("servers-stay-up:server-crashed@panic", True),
        ("servers-stay-up:server-crashed", True),
        ("servers-stay-up", True),
        ("server-crashed", True),
        ("servers", False),
    ],
)
def test_people_may_name_a_part_of_it(pattern, meant):
    assert Signature("servers-stay-up", "server-crashed", "panic").matches(pattern) is meant
