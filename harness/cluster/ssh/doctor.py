"""What the hosts of an inventory can do: tried on each, not guessed; every "no" with its reason and the fix.

Nothing stays on a host: rules are only checked, what is mounted is mounted in a namespace that ends with the probe.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from quorate.harness.cluster import shell
from quorate.harness.cluster.ssh.connection import Connection
from quorate.harness.cluster.ssh.hosts import Host
from quorate.harness.cluster.volumes import mount_command
from quorate.harness.core.finding import Finding
from quorate.harness.core.outcome import Broken

_TIMEOUT_S: Final = 20.0
_HOSTS_AT_ONCE: Final = 16
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Trial(msgspec.Struct, frozen=True):
    """A script, `within` other programs, that fails with a reason on stderr where the host cannot do it."""

    name: str
    script: str
    mend: str
    needed: bool = False
    within: tuple[str, ...] = ()


_MOUNT: Final = shlex.join(mount_command("disk", "there"))
TRIALS: Final = (
    Trial(
        "root and what every run needs",
        '[ "$(id -u)" = 0 ] || { echo "not root" >&2; exit 1; };'
        " for tool in timeout setsid base64 tr grep tar; do"
        ' command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }; done',
        "log in as root, or set sudo = true for a user that `sudo -n` lets; apt-get install coreutils util-linux tar",
        needed=True,
    ),
    Trial(
        "partition, and packet.mode=lossy",
        "nft -c add table inet quorate_probe",
        "apt-get install nftables; a kernel with nf_tables, and a root that may use it (CAP_NET_ADMIN)",
    ),
    # What is not a child of the probe, as servers are none of the helper: opening its memory asks for the same right.
    Trial(
        "clock",
        '[ "$(uname -m)" = x86_64 ] || { echo "$(uname -m), not x86_64" >&2; exit 1; };'
        " other=$( setsid sleep 5 >/dev/null 2>&1 & echo $! ); ( exec 3<>/proc/$other/mem ); found=$?;"
        ' kill "$other" 2>/dev/null; exit $found',
        "an x86-64 host whose root may attach to processes (CAP_SYS_PTRACE)",
    ),
    Trial(
        "powerloss",
        'for tool in mkfs.ext4 mount umount perl; do command -v "$tool" >/dev/null'
        ' || { echo "$tool is missing" >&2; exit 1; }; done;'
        ' folder=$(mktemp -d) && cd "$folder" && mkdir there && truncate -s 16M disk && mkfs.ext4 -q -F disk'
        f' && {_MOUNT} && umount there; found=$?; cd / && rm -rf "$folder"; exit $found',
        "apt-get install e2fsprogs mount perl; a root that may mount loop devices (a container's may not by default)",
        within=("unshare", "--mount"),
    ),
    Trial(
        "java, for ZooKeeper",
        'command -v java >/dev/null || ls "$JAVA_HOME/bin/java" >/dev/null 2>&1 || { echo "not found" >&2; exit 1; }',
        "apt-get install default-jre-headless",
    ),
)
# Why these never work over SSH, whatever the host.
_NEVER: Final = (
    ("packet.mode=slow and flaky", "packets are held back by this process, in a network that it can enter"),
    ("disk", "servers are traced by this process, which must see theirs"),
)


def examine_hosts(hosts: Sequence[Host]) -> tuple[list[Finding], bool]:
    """Try everything on every host, on all at once; return what was found, and whether all can serve in a cluster."""
    with ThreadPoolExecutor(min(_HOSTS_AT_ONCE, len(hosts))) as pool:
        found = list(pool.map(_examine, hosts))
    rows = [row for each in found for row in each]
    needed = {trial.name for trial in TRIALS if trial.needed}
    fit = all(any(_names(row, needed) and row.ok for row in each) for each in found)
    never = [
        Finding(f"hosts over SSH: {fault}", ok=False, reason=why, mend="--cluster local or docker")
        for fault, why in _NEVER
    ]
    return [*rows, *never], fit


def _names(row: Finding, trials: set[str]) -> bool:
    return row.name.partition(": ")[2] in trials


def _examine(host: Host) -> list[Finding]:
    connection, rows = Connection(host), list[Finding]()
    try:
        rows.extend(_tried(connection, trial) for trial in TRIALS)
    except Broken as error:
        reason, _, mend = error.text.partition("; ")
        rows.append(Finding(f"{host.shown}: an answer", ok=False, reason=reason, mend=mend))
    finally:
        connection.close()
    return rows


def _tried(connection: Connection, trial: Trial) -> Finding:
    name, argv = f"{connection.host.shown}: {trial.name}", [*trial.within, *shell.command(trial.script)]
    done = connection.run(argv, timeout_s=_TIMEOUT_S, env={"PATH": _PATH, "LC_ALL": "C"})
    if done.code == 0:
        return Finding(name, ok=True)
    reason = " ".join(done.stderr.split())[:200] or f"code {done.code}"
    return Finding(name, ok=False, reason=reason, mend=trial.mend)
