"""What a command loads before it does anything: a gate in CI starts hundreds of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HISTORY = "".join(
    f'{{"process": 1, "type": "{kind}", "f": "write", "key": "x", "value": 1, "time": {at}}}\n'
    for at, kind in enumerate(("invoke", "ok"))
)


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        (["--version"], {"numpy", "pandas", "grpc", "docker"}),
        (["test", "--help"], {"numpy", "pandas", "grpc", "docker"}),
        (["check", "h.jsonl", "--as", "register"], {"pandas", "grpc", "docker", "jinja2"}),
        (["test", "simulated", "-f", "none", "--time", "5s", "--seed", "1"], {"pandas", "grpc", "docker"}),
    ],
)
def test_a_command_loads_only_what_it_needs(tmp_path, words, spared):
    (tmp_path / "h.jsonl").write_text(HISTORY)
    script = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('LOADED', *sorted(set(sys.modules) & {spared!r})))\n"
        "from quorate.harness.cli.main import main\n"
        "sys.argv = ['quorate', *sys.argv[1:]]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_reading_results_loads_no_numpy():
    script = (
        "import sys; from quorate.harness.core import reading; print(*{'numpy', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
