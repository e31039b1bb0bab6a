"""`quorate check RUN` reads; it writes only what it is asked to."""

from __future__ import annotations

import sys

import pytest

from quorate.harness.cli.main import main
from quorate.harness.core.test import Test
from quorate.harness.run import run


@pytest.fixture
def judged(tmp_path, monkeypatch, capsys):
    test = Test(
        system="simulated",
        cluster="simulated",
        time=2.0,
        seed=1,
        store=str(tmp_path),
        settings={"bug": "stale-read"},
    )
    done = run(test)

    def check(*words):
        monkeypatch.setattr(sys, "argv", ["quorate", "check", str(done.folder), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return done, check


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_checking_a_run_changes_nothing_in_it(judged, tmp_path):
    done, check = judged
    folder = tmp_path / done.folder
    (folder / "results.json").write_text("{}")
    before = content(folder)
    code, text = check("--html", str(tmp_path / "page.html"))
    assert (code, content(folder)) == (done.results.exit_code, before)
    assert "held" in text or "was broken" in text
    assert (tmp_path / "page.html").exists()
    check("--save")
    assert (folder / "results.json").read_text() != "{}"
