"""An option is one field of `Test`: a copy of the module gets one more, and all the rest of quorate knows it."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import json, pathlib, sys, types
import msgspec

path = pathlib.Path(sys.argv[1])
field = '    grace: Annotated[float, Option(Kind.DURATION, "Time after the load.", wrong=positive)] = 7.0\\n'
before = "    replay: str | None"
source = path.read_text()
assert source.count(before) == 1
module = types.ModuleType("quorate.harness.core.test")
module.__file__ = str(path)
import quorate.harness.core as core
sys.modules[module.__name__] = core.test = module
exec(compile(source.replace(before, field + before), str(path), "exec"), module.__dict__)

from quorate.harness.campaign.values import TEST_KEYS, convert
from quorate.harness.cli.options import given
from quorate.harness.cli.reference import keys, reference
from quorate.harness.cli.test_command import _decoded, command

words = command.make_context("test", ["etcd", "--grace", "90.5s"]).params
test = module.Test(**given({"grace": words["grace"]}))
try:
    module.Test(grace=0).validate()
    refused = None
except Exception as error:
    refused = str(error)
print(json.dumps({
    "value": test.grace,
    "text": module.Test(grace="2m").grace,
    "command": test.command(),
    "stored": json.loads(msgspec.json.encode(test))["grace"],
    "child": _decoded(msgspec.json.encode(test).decode()).grace,
    "file": convert("grace", "1m") if "grace" in TEST_KEYS else None,
    "refused": refused,
    "help": [" ".join(line.split()) for line in reference().splitlines() if "--grace" in line][:1],
    "keys": "grace" in keys(),
}))
"""


def test_one_field_is_all_that_an_option_takes(tmp_path):
    from quorate.harness.core import test  # noqa: PLC0415 - its path alone

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, test.__file__],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "value": 90.5,
        "text": 120.0,
        "command": "quorate test etcd -w register --grace 90.5s",
        "stored": 90.5,
        "child": 90.5,
        "file": 60.0,
        "refused": "--grace must be positive",
        "help": ["--grace DURATION Time after the load. [7s]"],
        "keys": True,
    }
