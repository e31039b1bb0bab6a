"""`quorate clean`: remove what dead runs left behind."""

from __future__ import annotations

import click


@click.command(
    "clean",
    epilog="""\b
Examples:
  quorate clean
  quorate clean --all
""",
)
@click.option("--all", "everything", is_flag=True, help="Also clusters kept with --keep-cluster.")
def command(everything: bool) -> None:  # noqa: FBT001
    """Remove containers, networks, namespaces, processes and mounts of runs whose command is gone.

    Runs still going on are never touched.
    """
    from harness.cluster import sweep  # noqa: PLC0415 - keeps --help quick

    removed = sweep(kept_too=everything, engine=True)
    for thing in removed:
        click.echo(f"removed {thing}")
    click.echo(f"{len(removed)} leftovers removed" if removed else "nothing was left behind")
