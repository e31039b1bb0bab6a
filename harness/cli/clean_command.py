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
@click.option("--all", "everything", is_flag=True, help="Also remove clusters kept with --keep-cluster.")
def command(everything: bool) -> None:  # noqa: FBT001
    """Remove containers, networks, namespaces, processes and mounts of runs whose command is gone.

    Runs still going on are never touched.
    """
    from quorate.harness.cluster import sweep  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.cluster.ledger import kept_runs  # noqa: PLC0415

    told = sweep(kept_too=everything, engine=True)
    for sentence in told:
        click.echo(sentence)
    click.echo(_summary(len(told)))
    if kept := kept_runs():
        click.echo(f"kept on purpose: {', '.join(kept)} (quorate clean --all removes them too)")


def _summary(count: int) -> str:
    if count == 0:
        return "no dead run had left anything behind"
    return "cleaned up after 1 run" if count == 1 else f"cleaned up after {count} runs"
