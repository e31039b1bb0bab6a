"""Entry of the `quorate` command: finds the subcommand, and turns every ending into an exit code.

Subcommands are imported only when asked for, so that `quorate --help` and shell completion stay quick.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import os
import signal
import sys
import traceback
from typing import Any, Final

import click

from quorate.harness.core import interrupts
from quorate.harness.core.exits import Exit
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.registry import UnknownNameError, did_you_mean

COMMANDS: Final = {
    "test": "run one test against a cluster",
    "campaign": "run a matrix of tests from a file",
    "hunt": "search for unknown bugs: many short runs with random workloads, faults and tuning",
    "init": "write a CI gate and a workflow into your project",
    "check": "check a history or a run again",
    "report": "write a run's HTML report",
    "compare": "show what changed between two runs",
    "show": "print a run's verdict and explain its anomaly",
    "why": "explain an anomaly from the members' own logs",
    "replay": "repeat a run: same options, seed and faults",
    "shrink": "find the smallest test that shows a run's anomaly",
    "bisect": "find the releases that introduced and fixed an anomaly",
    "gate": "decide whether one version is worse than another, for a pull request",
    "serve": "browse results on the loopback interface",
    "list": "list systems, releases, campaigns, workloads, faults, checkers, models, reports",
    "doctor": "check what this machine supports, and how to fix what it does not",
    "fetch": "download or build servers ahead of time",
    "images": "build node images for Docker",
    "clean": "remove leftovers of earlier runs",
}


class LazyGroup(click.Group):
    """A group whose commands live in `quorate.harness.cli.<name>` and are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All commands, in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of the command; a function named like it is the command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"quorate.harness.cli.{cmd_name}_command")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(module.__name__)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Add the nearest match to click's words for an unknown command."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            hint = did_you_mean(args[0], list(COMMANDS))
            raise click.UsageError(f'unknown command "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 valid, 1 anomaly found, 2 unknown or inconclusive, 3 harness or infrastructure "
    "failed, 4 wrong usage or unreadable input, 130 interrupted.",
)
@click.version_option(package_name="quorate", message="quorate %(version)s")
def quorate() -> None:
    """Test whether etcd, Consul or ZooKeeper keep their promises while things break.

    \b
    Examples:
      quorate test etcd -w register -f partition,kill --time 30s
      quorate show store/latest
    """  # noqa: D301 - click's own marker


def main() -> None:
    """Run the command line and exit with the documented codes; one line for people on every error."""
    interrupts.end_like_ctrl_c()
    try:
        outcome = _command()
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except (UsageError, UnknownNameError) as error:
        _complain(str(error))
        sys.exit(Exit.USAGE)
    except Broken as error:
        _complain(error.text or error.code)
        sys.exit(Exit.BROKEN)
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        atexit.register(_deaf)
        _complain("interrupted")
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output left (`quorate list | head`): nothing is wrong.
        sys.stderr.close()
        sys.exit(Exit.VALID)
    except Exception:  # noqa: BLE001 - see below
        # Python's own exit code for a crash is 1, which here means "anomaly found": the worst false alarm of all.
        traceback.print_exc()
        _complain("quorate itself failed; please report the lines above")
        sys.exit(Exit.BROKEN)
    atexit.register(_deaf)
    sys.exit(outcome if isinstance(outcome, int) else Exit.VALID)


def _deaf() -> None:
    """Ignore signals once the interpreter ends: all is written, and they would get their default handlers back."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)


def _command() -> Any:
    """Run the command; what ends the interpreter from below it is not a verdict."""
    try:
        return quorate.main(standalone_mode=False)
    except SystemExit as exit_:
        if "_QUORATE_COMPLETE" in os.environ:  # click ends a completion so
            raise
        from quorate.harness.cluster.local.rootless import Delegated  # noqa: PLC0415 - `--help` stays quick

        if isinstance(exit_, Delegated):
            return exit_.code
        raise Broken("exit", f"a plug-in exited (sys.exit({exit_.code!r})): that is not a verdict") from exit_


def _complain(sentence: str) -> None:
    from quorate.checkers.words import plain  # noqa: PLC0415 - only where something is wrong
    from quorate.harness.cli import screen  # noqa: PLC0415

    colour = screen.colour(sys.stderr)
    click.echo(click.style("error: ", fg="red", bold=True) + plain(sentence), err=True, color=colour)


if __name__ == "__main__":
    main()
