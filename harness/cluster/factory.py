"""Make the cluster that was asked for, or the best one that this machine can offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from quorate.harness.cluster.compose.asked import Asked
from quorate.harness.cluster.local import LocalCluster
from quorate.harness.cluster.running import RunningCluster
from quorate.harness.core.node import Cluster
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError

KINDS = ("auto", "docker", "local", "ssh", "running", "compose")
MOST_NODES = 99
_ENGINE_TIMEOUT_S = 5


def make_cluster(
    kind: str = "auto",
    *,
    run_id: str,
    count: int = 3,
    image: str | None = None,
    image_kind: str = "base",
    force_exec: bool | None = None,
    progress: Callable[[str], None] | None = None,
    inventory: Path | None = None,
    endpoints: Sequence[str] = (),
    compose: Asked | None = None,
) -> Cluster:
    """Return a cluster that is not up yet.

    `auto` takes Docker if an engine answers, else network namespaces. For Docker: `image` is an image of the user's
    own, else the node image of `image_kind` ("base", or "jre" for servers on the JVM) is taken and built where it is
    missing, as reported to `progress`; `force_exec` reaches nodes through the engine only. For SSH: the first
    `count` hosts of `inventory`, a TOML file (harness.cluster.ssh.hosts). For a cluster that is already there: its
    `endpoints`; for one of a compose file: `compose`. Raises `UsageError` for what makes no sense, `Broken` with the
    fix where this machine cannot.
    """
    if not 1 <= count <= MOST_NODES:
        raise UsageError(f"a cluster has 1 to {MOST_NODES} nodes, not {count}")
    if kind not in KINDS:
        raise UsageError(f"no cluster is called {kind!r}; there are {', '.join(KINDS)}")
    kind = kind_of(kind, image)
    if kind == "docker":
        from quorate.harness.cluster.docker.cluster import DockerCluster  # noqa: PLC0415 - loads the SDK

        return DockerCluster(
            run_id, count, image=image, image_kind=image_kind, force_exec=force_exec, progress=progress
        )
    if kind == "running":
        return RunningCluster(run_id, endpoints)
    if kind == "compose" and compose is not None:
        from quorate.harness.cluster.compose.cluster import ComposeCluster  # noqa: PLC0415 - loads the SDK

        return ComposeCluster(run_id, compose)
    if kind == "ssh":
        return _over_ssh(run_id, count, inventory)
    if image is not None:
        raise UsageError(f"images are for Docker; a {kind} cluster runs servers from this host's files")
    return LocalCluster(run_id, count)


def kind_of(kind: str, image: str | None) -> str:
    """Return the kind of cluster that is made: `auto` is Docker for an image or where an engine answers, else local."""
    if kind != "auto":
        return kind
    return "docker" if image is not None or engine_answers() else "local"


def _over_ssh(run_id: str, count: int, inventory: Path | None) -> Cluster:
    from quorate.harness.cluster.ssh.cluster import SshCluster  # noqa: PLC0415 - loads paramiko
    from quorate.harness.cluster.ssh.hosts import read_inventory  # noqa: PLC0415

    if inventory is None:
        raise UsageError("a cluster over SSH needs --inventory FILE.toml with its hosts")
    hosts = read_inventory(inventory)
    if len(hosts) < count:
        raise UsageError(f"{inventory} has {len(hosts)} hosts, not {count}: add some, or lower --nodes")
    return SshCluster(run_id, hosts[:count])


def engine_answers() -> bool:
    """Return whether a Docker engine answers this process."""
    from quorate.harness.cluster.docker import engine  # noqa: PLC0415

    try:
        engine.connect(timeout_s=_ENGINE_TIMEOUT_S).close()
    except Broken:
        return False
    return True
