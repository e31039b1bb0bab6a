"""The plugin inside a user's pytest: fixtures, marker, options, the summary; and the example of docs/pytest.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "pytest.md"
RUNS = """
    import pytest

    @pytest.mark.quorate(system="simulated", time=4.0, fault_interval=1.0)
    def test_honest(quorate_run):
        done = quorate_run(faults=("kill",))
        assert done.verdict == "valid"

    @pytest.mark.quorate(system="simulated", time=4.0, seed=5, settings={"bug": "stale-read"})
    def test_bug(quorate_run):
        quorate_run()
"""


def files(folder):
    """Write the page's files into a folder."""
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, "each block of the page is a file"
        (folder / name[1]).write_text(block)


def test_the_example_service_passes_and_its_bug_is_found(pytester):
    files(pytester.path)
    result = pytester.runpytest_subprocess("test_service.py", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*not linearizable as register: p* read *"])
    result.stdout.fnmatch_lines(["FAILED test_service.py::test_register_is_linearizable[[]True]*"])


def test_the_other_examples_of_the_page_run(pytester):
    files(pytester.path)
    pytester.runpytest_subprocess("test_simulated.py").assert_outcomes(passed=2)


def test_a_failing_run_ends_with_the_command_that_repeats_it(pytester):
    pytester.makepyfile(RUNS)
    result = pytester.runpytest_subprocess("--quorate-store", "kept")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*= quorate: to repeat =*", "quorate test simulated *--seed 5 --set bug=stale-read*"]
    )
    assert len(list((pytester.path / "kept").glob("*/*/results.json"))) == 2


def test_no_section_where_nothing_failed(pytester):
    pytester.makepyfile("def test_nothing(history_recorder): assert history_recorder.name == 'test_nothing'")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*quorate: to repeat*")


def test_options_win_over_the_marker(pytester):
    pytester.makepyfile("""
        import json
        import pytest

        @pytest.mark.quorate(system="simulated", time=60.0, seed=1)
        def test_it(quorate_run):
            done = quorate_run()
            told = json.loads((done.folder / "test.json").read_text())["options"]
            assert (told["time"], told["seed"], told["cluster"]) == (3.0, 42, "simulated")
    """)
    pytester.runpytest_subprocess(
        "--quorate-seed", "42", "--quorate-time", "3s", "--quorate-cluster", "simulated"
    ).assert_outcomes(passed=1)


def test_a_wrong_option_of_the_marker_is_an_error_with_the_nearest_name(pytester):
    pytester.makepyfile("""
        import pytest

        @pytest.mark.quorate(system="simulatd")
        def test_it(quorate_run):
            quorate_run()
    """)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*did you mean "simulated"*'])


def test_marker_and_options_are_documented_by_pytest_itself(pytester):
    pytester.runpytest_subprocess("--markers").stdout.fnmatch_lines(["@pytest.mark.quorate*"])
    shown = pytester.runpytest_subprocess("--help").stdout.str()
    for option in re.findall(r"`(--quorate-\w+)", PAGE.read_text()):
        assert option in shown


def test_the_plugin_imports_nothing_of_quorate_until_it_is_used(pytester):
    """Every pytest on a machine with quorate loads it."""
    pytester.makepyfile("""
        import sys

        def test_it():
            heavy = [name for name in sys.modules if name.split(".")[0] in ("pandas", "grpc", "checkers", "workloads")]
            assert heavy == []
    """)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("text", ["5", "ten"])
def test_a_wrong_duration_is_told(pytester, text):
    pytester.makepyfile("""
        import pytest

        @pytest.mark.quorate(system="simulated")
        def test_it(quorate_run):
            quorate_run()
    """)
    result = pytester.runpytest_subprocess("--quorate-time", text)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f'*"{text}" is not a duration*'])
