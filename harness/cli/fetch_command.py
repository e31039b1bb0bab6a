"""`quorate fetch`: servers into the cache beforehand."""

from __future__ import annotations

import click

from quorate.harness.core import registry


@click.command(
    "fetch",
    epilog="""\b
Examples:
  quorate fetch etcd@3.5.16
  quorate fetch etcd@3.7.3 zookeeper@3.9.4 consul@1.12.9
""",
)
@click.argument("servers", nargs=-1, required=True)
def command(servers: tuple[str, ...]) -> None:
    """Get or build each SYSTEM@RELEASE (or the newest) and say where it came from."""
    from quorate.harness.core.test import Test  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.run.requirements import check_releases  # noqa: PLC0415
    from quorate.harness.systems.releases import resolve  # noqa: PLC0415

    for server in servers:
        registry.check("systems", server.partition("@")[0])
    check_releases(Test(system=server) for server in servers)
    for server in servers:
        system, _, release = server.partition("@")
        found = resolve(system, release or None)
        click.echo(f"{system}@{found.release}: {found.how}")
