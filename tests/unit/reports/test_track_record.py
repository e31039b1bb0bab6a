"""The track record: bugs by their links, releases by what their runs said, clean ones asked by the same command."""

from __future__ import annotations

import json

from quorate.reports.track_record import text, write

LINK = "https://github.com/etcd-io/etcd/issues/18089"


def cell(release, verdict, link=LINK, seed=1, settings="", status="done"):
    return {
        "system": "etcd",
        "release": release,
        "verdict": verdict,
        "status": status,
        "link": link,
        "command": f"quorate test etcd@{release} -w watch --seed {seed} --store somewhere{settings}",
        "sentence": "the deletion of k3\nwas never shown",
    }


def campaign(tmp_path, *cells):
    folder = tmp_path / "20261129T031541Z-3"
    folder.mkdir()
    (folder / "campaign.json").write_text(json.dumps({"name": "knownbugs", "seed": 3, "cells": list(cells)}))
    return folder


def test_rates_by_bug_and_release_with_exact_intervals(tmp_path):
    page = text(
        campaign(
            tmp_path,
            cell("3.5.15", "invalid"),
            cell("3.5.15", "invalid", seed=2),
            cell("3.5.15", "valid", seed=3),
            cell("3.5.16", "valid", link=None, seed=9),
            cell("3.5.16", "unknown", link=None, seed=10),
            cell("3.7.3", "valid", link=None, settings=" --set span=9"),
        )
    )
    row = next(line for line in page.splitlines() if line.startswith("| [etcd #18089]"))
    assert "etcd 3.5.15: 2 of 3 (9 to 99 %)" in row
    assert "etcd 3.5.16: 0 of 1 (0 to 98 %), 1 inconclusive" in row
    assert "3.7.3" not in row  # another command
    assert "2026-11-29" in page
    assert "> the deletion of k3 was never shown" in page


def test_a_bug_that_is_not_found_stands_there_as_such(tmp_path):
    page = text(campaign(tmp_path, cell("3.5.15", "valid"), cell("3.5.14", "unknown", status="skipped")))
    assert "| [etcd #18089](https://github.com/etcd-io/etcd/issues/18089) | - | etcd 3.5.15: 0 of 1" in page
    assert "3.5.14" not in page


def test_it_is_written_where_it_was_asked_for(tmp_path):
    target = write(campaign(tmp_path, cell("3.5.15", "valid", link=None)), tmp_path / "docs" / "record.md")
    assert "No cell of it names a known bug" in target.read_text()
