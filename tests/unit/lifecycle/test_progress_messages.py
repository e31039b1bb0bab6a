"""Messages of slow steps reach who listens, again and again, also from other threads; else standard error."""

from __future__ import annotations

import asyncio

from quorate.harness.cli.progress import Progress
from quorate.harness.core.progress import listening, report
from quorate.harness.run.progress import Snapshot


def test_lines_reach_the_listener_and_the_last_is_repeated_with_its_seconds():
    lines = []

    async def build():
        async with listening(lines.append, again_s=0.05):
            await asyncio.to_thread(report, "building etcd 9.9.9")
            await asyncio.sleep(0.3)

    asyncio.run(build())
    assert lines[0] == "building etcd 9.9.9"
    assert len(lines) >= 3
    assert all(line.startswith("building etcd 9.9.9: ") for line in lines[1:])


def test_afterwards_messages_go_to_standard_error(capsys):
    lines = []

    async def build():
        async with listening(lines.append):
            pass
        report("later")

    asyncio.run(build())
    assert lines == []
    assert "later" in capsys.readouterr().err


def test_no_line_of_a_phase_is_dropped_but_counts_are(capsys):
    progress = Progress(silent=False)
    for line in ("building the node image", "built the node image", "downloading etcd"):
        progress(Snapshot("prepare", line))
    for count in range(100):
        progress(Snapshot("load", operations=count))
    shown = capsys.readouterr().err.splitlines()
    assert [line.split(maxsplit=1)[1] for line in shown[:3]] == [
        "building the node image",
        "built the node image",
        "downloading etcd",
    ]
    assert len(shown) < 6
