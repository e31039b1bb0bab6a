"""--keep-cluster: the nodes stay, the way to them is printed and works, `quorate clean --all` ends them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.harness.cluster.traces import traces_of

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="needs root: without it a local cluster ends with its command"
    ),
]


def quorate(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quorate", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "QUORATE_STATE_DIR": str(state)},
    )


def test_a_kept_cluster_can_be_reached_as_told_until_it_is_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, store = tmp_path / "state", tmp_path / "store"
    monkeypatch.setenv("QUORATE_STATE_DIR", str(state))
    words = [
        "test",
        "etcd@3.5.16",
        "--cluster",
        "local",
        "--time",
        "2s",
        "--keep-cluster",
        "--store",
        str(store),
    ]
    done = quorate(state, *words)
    assert done.returncode in (0, 2), done.stderr  # two seconds may be too little for a verdict
    run_id = json.loads(next(store.rglob("test.json")).read_text())["run_id"]
    address, enter = re.findall(r"n2 at (\S+): (nsenter \S+) sh", done.stderr)[0]
    assert "quorate clean --all" in done.stderr
    seen = subprocess.run(
        [*enter.split(), "cat", "/proc/net/fib_trie"], capture_output=True, text=True, check=True
    )
    assert address in seen.stdout

    assert f"kept on purpose: {run_id}" in quorate(state, "clean").stdout
    assert any(trace.startswith("process") for trace in traces_of(run_id))  # its servers still run
    cleaned = quorate(state, "clean", "--all").stdout
    assert re.search(rf"^{run_id}: removed .*3 processes.*4 namespaces", cleaned, re.MULTILINE), cleaned
    # Others may have left something, too, of which the engine alone knows.
    assert re.search(r"^cleaned up after \d+ runs?$", cleaned, re.MULTILINE), cleaned
    assert traces_of(run_id) == []
    assert quorate(state, "clean").stdout == "no dead run had left anything behind\n"
