from __future__ import annotations

import http.client
import json
import shutil
import threading
from pathlib import Path

import pytest
import synthetic

from quorate.harness.core.outcome import Broken
from quorate.reports.serve import serve
from quorate.reports.serve.index import Index


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("outer") / "store"
    model = synthetic.make(root / "etcd-register" / "20261012T000000Z-7", operations=300)
    for number in range(150):
        folder = root / f"name-{number % 3}" / f"20261011T{number:06d}Z-{number}"
        folder.mkdir(parents=True)
        test = json.loads((model / "test.json").read_text()) | {
            "seed": number,
            "name": f"name-{number % 3}",
            "started": f"2026-10-11T{number:06d}",
        }
        (folder / "test.json").write_text(json.dumps(test))
        verdict = "invalid" if number == 5 else "valid"
        (folder / "results.json").write_text(
            json.dumps(
                {"verdict": verdict, "reason": f"needle{number}", "statistics": {"operations": number}}
            )
        )
    (root / "broken" / "run").mkdir(parents=True)
    (root / "broken" / "run" / "results.json").write_text("{")
    synthetic.make(root / "hostile" / "run", operations=300, hostile=True)
    (root / "latest").symlink_to("etcd-register/20261012T000000Z-7")
    (root / "escape").symlink_to(root.parent / "secret")
    (root.parent / "secret").mkdir()
    (root.parent / "secret" / "key.txt").write_text("SECRET")
    (root / ".hidden").write_text("SECRET")
    campaign = root / "campaigns" / "nightly" / "20261012T030000Z-1"
    campaign.mkdir(parents=True)
    (campaign / "campaign.json").write_text(
        json.dumps({"name": "nightly", "cells": [{"name": "one", "verdict": "valid"}]})
    )
    (model / "evil.html").write_text("<script>alert(1)</script>")
    return root


@pytest.fixture(scope="module")
def server(store):
    made = serve(store, port=0)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(timeout=5)


def get(server, path: str, method: str = "GET", **headers: str):
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer, body


def test_the_list_of_runs_newest_first(server):
    answer, body = get(server, "/")
    assert answer.status == 200
    assert "153 runs" in body
    assert body.index("20261012T000000Z-7") < body.index("2026-10-11T000149")
    assert "needle149" in body
    assert "needle10<" not in body
    assert "page=2" in body


@pytest.mark.parametrize(
    ("query", "found", "missing"),
    [
        ("verdict=invalid&q=needle", "needle5", "needle6"),
        ("q=name-1+needle4", "needle4", "needle5"),
        ("page=2", "needle10", "needle149"),
        ("verdict=damaged", "broken", "needle"),
        ("q=nothing+like+it", "No run fits", "needle"),
        ("page=999", "needle", "needle149"),
        ("page=x", "needle149", "page=0"),
    ],
)
def test_filters_search_and_pages(server, query, found, missing):
    answer, body = get(server, f"/?{query}")
    assert answer.status == 200
    rows = body.partition("<tbody>")[2]
    assert found in rows
    assert missing not in rows


def test_a_report_is_made_where_none_was_written(server, store):
    answer, body = get(server, "/store/etcd-register/20261012T000000Z-7/")
    assert answer.status == 200
    assert "stale read" in body
    assert answer.getheader("Content-Security-Policy", "").startswith("sandbox allow-scripts")
    assert not (store / "etcd-register" / "20261012T000000Z-7" / "report.html").exists()


def test_folders_redirect_so_that_links_work(server):
    answer, _ = get(server, "/store/latest")
    assert (answer.status, answer.getheader("Location")) == (301, "/store/latest/")


def test_files_are_text_or_attachments_but_never_pages(server):
    answer, body = get(server, "/store/latest/nodes/n1/etcd.log")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "text/plain; charset=utf-8")
    assert "elected" in body
    answer, _ = get(server, "/store/latest/evil.html")
    assert answer.getheader("Content-Type") == "application/octet-stream"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/store/../secret/key.txt",
        "/store/%2e%2e/secret/key.txt",
        "/store/latest/../../secret/key.txt",
        "/store/escape/key.txt",
        "/store/.hidden",
        "/store//etc/passwd",
        "/store/%2fetc/passwd",
        "/store/..%2fsecret%2fkey.txt",
        "/store/a%00b",
        "/store/latest/%5c..%5c",
        "/etc/passwd",
        "/store/nowhere",
        "/compare?a=../secret&b=latest",
        "/compare?a=&b=",
        "/compare?a=latest",
    ],
)
def test_nothing_outside_the_store_is_shown(server, path):
    answer, body = get(server, path)
    assert answer.status == 404
    assert "SECRET" not in body
    assert "root:" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_only_reads(server, method):
    answer, _ = get(server, "/", method)
    assert answer.status == 501


def test_head_has_no_body(server):
    answer, body = get(server, "/", "HEAD")
    assert (answer.status, body) == (200, "")
    assert int(answer.getheader("Content-Length", "0")) > 1000


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("evil.example:80", 403),
        ("localhost:80", 200),
        ("127.0.0.1", 200),
        ("[::1]:8370", 200),
    ],
)
def test_foreign_names_are_refused(server, host, status):
    assert get(server, "/", Host=host)[0].status == status


def test_hostile_names_stay_text(server):
    _, body = get(server, "/?q=%3Cscript%3Ealert(1)%3C/script%3E&verdict=%22%3E%3Cimg%3E")
    assert "<script" not in body
    assert "<img" not in body
    _, body = get(server, "/?q=hostile")
    assert "<script" not in body
    assert "<img" not in body


def test_comparing_and_campaigns(server):
    a, b = "name-0/20261011T000000Z-0", "latest"
    answer, body = get(server, f"/compare?a={a}&b={b}")
    assert answer.status == 200
    assert "valid → invalid" in body
    assert "nightly" in get(server, "/campaigns")[1]
    assert "1 as expected" in get(server, "/store/campaigns/nightly/20261012T030000Z-1/")[1]


def test_new_runs_appear_and_gone_ones_go(store, tmp_path):
    own = tmp_path / "store"
    shutil.copytree(store / "name-0", own / "name-0")
    index = Index(own)
    assert len(index.runs()) == 50
    synthetic.make(own / "new" / "run", operations=50)
    shutil.rmtree(own / "name-0" / "20261011T000000Z-0")
    index._until = 0.0
    assert len(index.runs()) == 50
    assert index.runs()[0].path == "new/run"


def test_no_store_and_no_port(tmp_path, server):
    with pytest.raises(Broken, match="no store at"):
        serve(tmp_path / "nowhere")
    with pytest.raises(Broken, match="cannot listen"):
        serve(tmp_path, port=server.server_address[1])
