"""End a run on a host: kill what it started, delete its firewall table and its directory."""

from __future__ import annotations

from quorate.harness.cluster import identity, shell
from quorate.harness.cluster.processes import RUN_MARK
from quorate.harness.cluster.ssh.connection import Connection
from quorate.harness.cluster.ssh.hosts import Host
from quorate.harness.core.outcome import Broken

_TIMEOUT_S = 30.0
# Firewall tables bear no run's name: they are this run's only while it has the host.
_END = r"""
rm -rf "$1/$2"
if [ "$(cat "$1/in-use" 2>/dev/null)" = "$2" ]; then
  nft delete table inet quorate 2>/dev/null
  nft delete table inet quorate_probe 2>/dev/null
  rm -f "$1/in-use"
  if [ -f "$1/made" ]; then rm -f "$1/made"; rmdir "$1"; fi
fi
[ ! -e "$1/$2" ]
"""


def end_run(connection: Connection, run_id: str) -> None:
    """Remove everything of a run from a host; raises `Broken` if something stays. Safe to repeat."""
    if not identity.is_run_id(run_id):  # it becomes part of `rm -rf`
        raise Broken("bad-run", f"{run_id!r} is not a run id")
    directory = connection.host.directory
    for argv in (
        shell.wipe_command(f"{RUN_MARK}={run_id}", f"{directory}/{run_id}"),
        shell.command(_END, directory, run_id),
    ):
        done = connection.run(argv, timeout_s=_TIMEOUT_S)
        if done.code != 0:
            raise Broken(
                "not-removed", f"{run_id} on {connection.host.shown}: {done.stderr.strip() or 'not all'}"
            )


def remove_run(run_id: str, hosts: list[Host]) -> list[str]:
    """End a dead run on all its hosts; return what would not go, also where a host does not answer."""
    left = []
    for host in hosts:
        connection = Connection(host)
        try:
            end_run(connection, run_id)
        except Broken as error:
            left.append(str(error))
        finally:
            connection.close()
    return left
