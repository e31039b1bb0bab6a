"""What an anomaly's card says beside the operations: the moment, the list, the lease's moments, the documentation."""

from __future__ import annotations

import json

import msgspec
import pytest

from quorate import Test, run
from quorate.harness.core import reading
from quorate.reports import evidence, lists, stored, terminal, weakness
from quorate.reports.html import page


def made(tmp_path, **options):
    """A run of the simulated system, read back."""
    usual = {"system": "simulated", "time": 6.0, "seed": 2, "store": str(tmp_path), "faults": ("partition",)}
    return run(Test(**(usual | options))).folder


@pytest.fixture(scope="module")
def torn(tmp_path_factory):
    return made(tmp_path_factory.mktemp("torn"), workload=("kubernetes",), settings={"bug": "torn-list"})


def test_a_wrong_list_is_a_table_beside_the_objects_changes(torn):
    found = stored.read(torn)
    anomaly = found.results.guarantees[0].anomalies[0]
    told = lists.listed_of(anomaly)
    assert told is not None
    bad = [row for row in told.rows if row.bad]
    assert [row.name for row in bad] == [told.name]
    assert told.name in anomaly.sentence
    notes = [change.note for change in told.changes]
    assert any("it should show this" in note for note in notes)
    html, text = page.render(found), terminal.render(found)
    assert f"Changes of {told.name}" in html
    assert f"✗ {told.name}" in text


def test_the_card_says_who_led_and_what_was_in_force(torn):
    text = terminal.render(stored.read(torn))
    assert "at that moment: leader n" in text
    assert "At that moment:" in page.render(stored.read(torn))


def test_the_header_names_every_setting_that_was_given(torn):
    found = stored.read(torn)
    assert stored.given(found) == ["bug=torn-list"]
    assert "bug=torn-list" in page.render(found).split('id="verdict"')[0]


def test_a_lease_shows_its_grant_its_promise_and_the_look_that_missed_it(tmp_path):
    folder = made(
        tmp_path,
        workload=("lease",),
        faults=(),
        time=12.0,
        settings={"bug": "renewals-forgotten", "ttl_s": "2"},
    )
    found = stored.read(folder)
    anomaly = next(one for one in found.results.guarantees[0].anomalies if one.name == "lease lost too early")
    whats = [mark.what for mark in evidence.marks_of(anomaly)]
    assert whats[0] == "granted"
    assert "promised until" in whats
    assert any("not there any more" in what for what in whats)
    moments = [mark.at_s for mark in evidence.marks_of(anomaly)]
    assert moments == sorted(moments)
    assert "promised until" in page.render(found)


def test_what_the_service_documents_is_said_with_its_link_where_it_was_held_to_more(tmp_path):
    settings = {"reads": "session"}
    strict = stored.read(made(tmp_path / "a", strict=True, settings=settings))
    assert strict.results.verdict == "invalid"
    assert "is documented to allow this" in terminal.render(strict)
    assert "is documented to allow this" in page.render(strict)
    own = stored.read(made(tmp_path / "b", settings=settings))
    assert own.results.verdict == "valid"
    text = terminal.render(own)
    assert "is documented to allow this" not in text
    assert "staleness: " in text
    assert "behind" in page.render(own)


def test_a_link_of_a_foreign_store_is_a_link_only_if_it_is_an_address(tmp_path):
    folder = made(tmp_path, strict=True, settings={"reads": "session"})
    results = json.loads((folder / "results.json").read_text())
    results["weak_reads"]["link"] = "javascript:alert(1)"
    (folder / "results.json").write_text(json.dumps(results))
    assert 'href="javascript' not in page.render(stored.read(folder))
    assert not weakness.web("javascript:alert(1)")


@pytest.mark.parametrize(
    "damage", [[], {"rows": 3}, {"rows": [{"name": None}]}, {"rows": [{}], "changes": [{"revision": "x"}]}]
)
def test_damaged_lists_cost_only_themselves(torn, damage):
    anomaly = stored.read(torn).results.guarantees[0].anomalies[0]
    for plain in ({"list": damage, "marks": damage}, {"marks": damage}):
        damaged = msgspec.structs.replace(anomaly, detail=reading.evidence(plain, [], ""))
        lists.listed_of(damaged)
        evidence.marks_of(damaged)
