"""`quorate test`: one run."""

from __future__ import annotations

import json
import os
from typing import Any

import click
import msgspec

from quorate.harness.cli import completing, screen
from quorate.harness.cli.options import given, test_options
from quorate.harness.core import store
from quorate.harness.core.exits import Exit, worst
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.test import Test


@click.command(
    "test",
    epilog="""\b
Examples:
  quorate test etcd -w register -f partition,kill,pause --time 30s
  quorate test etcd@3.5.16 -f partition:leader --set reads=serializable --seed 7
""",
)
@click.argument("system", shell_complete=completing.systems)
@test_options
@click.option(
    "--repeat",
    type=click.IntRange(1, 10_000),
    default=1,
    help="Number of runs in a row, with consecutive seeds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print only results.json and the run's folder.")
@click.option("--quiet", is_flag=True, help="Print only the verdict.")
@click.option(
    "--exactly", metavar="JSON", hidden=True, help="The whole test, as a campaign gives it to its cells."
)
def command(
    system: str,
    repeat: int,
    as_json: bool,  # noqa: FBT001
    quiet: bool,  # noqa: FBT001
    exactly: str | None,
    **options: Any,
) -> int:
    """Run SYSTEM[@RELEASE] under load and faults, and say whether it kept its promises."""
    test = Test(system=system, **given(options)) if exactly is None else _decoded(exactly)
    return run_tests(test, repeat=repeat, as_json=as_json, quiet=quiet)


def _decoded(text: str) -> Test:
    try:
        return msgspec.json.decode(text, type=Test)
    except msgspec.MsgspecError as error:
        raise UsageError(f"--exactly: {error}") from error


def run_tests(test: Test, *, repeat: int, as_json: bool, quiet: bool) -> int:
    """Run once or several times in a row, print each verdict, and return the worst exit code."""
    test.validate()
    enter_namespaces(test)
    # Imported late: a usage error must not wait for pandas and gRPC, and no thread may run before the line above.
    from quorate.harness.cli.progress import Progress  # noqa: PLC0415
    from quorate.harness.run import draw_seed, prepare, require, run  # noqa: PLC0415
    from quorate.reports.terminal import write  # noqa: PLC0415

    require(test, prepare(test))
    first = test.seed if test.seed is not None else draw_seed()
    codes = []
    for turn in range(repeat):
        progress = Progress(silent=as_json or quiet)
        done = run(msgspec.structs.replace(test, seed=first + turn), progress=progress, required=True)
        codes.append(done.exit_code)
        if as_json:
            click.echo(json.dumps(done.printed.encoded()))
        elif quiet:
            click.echo(f"{done.verdict} {done.folder}")
        else:
            colour = screen.colour()
            shown = write(done.folder, width=screen.width(), colour=colour, results=done.printed)
            click.echo(shown, color=colour, nl=False)
            page = done.folder / store.REPORT
            if page.exists():
                click.echo(f"report: {screen.linked(page)}", color=colour)
        if done.exit_code not in {Exit.VALID, Exit.UNKNOWN}:
            break
    return worst(codes)


def enter_namespaces(test: Test) -> None:
    """Without root, a local cluster lives in a user namespace, and this command has to live there too.

    Returns inside it; the command outside only waits and exits with the same code.
    """
    if test.virtual:
        return
    from quorate.harness.cluster.factory import kind_of  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.cluster.local.rootless import reexec_if_needed  # noqa: PLC0415

    # Root lives in no user namespace, so the engine need not be asked.
    reexec_if_needed(wanted=os.geteuid() != 0 and kind_of(test.cluster, test.image) == "local")
