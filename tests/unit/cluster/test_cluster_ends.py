"""How a process ended, in words: as Python, as shells and as Docker number it."""

from __future__ import annotations

import pytest

from quorate.harness.cluster.signals import told_end


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "exit code 0"),
        (2, "exit code 2"),
        (128, "exit code 128"),
        (-6, "killed by signal 6 (SIGABRT)"),
        (134, "killed by signal 6 (SIGABRT)"),
        (137, "killed by signal 9 (SIGKILL)"),
        (255, "exit code 255"),
    ],
)
def test_the_end_of_a_process_in_words(code, said):
    assert told_end(code) == said
