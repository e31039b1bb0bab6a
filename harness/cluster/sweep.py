"""Remove what dead runs left behind: called by every start, and by `quorate clean`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec

from quorate.harness.cluster import ledger
from quorate.harness.cluster.ledger import DeadRun
from quorate.harness.cluster.removal import remove_local
from quorate.harness.core.outcome import Broken

_WORDS = {
    ledger.CONTAINER: ("container", "containers"),
    ledger.DOCKER_NETWORK: ("network", "networks"),
    ledger.PROCESS: ("process", "processes"),
    ledger.NETNS: ("namespace", "namespaces"),
    ledger.LINK: ("link", "links"),
    ledger.DIRECTORY: ("directory", "directories"),
    ledger.HOST: ("host over SSH", "hosts over SSH"),
    ledger.PROJECT: ("compose project", "compose projects"),
}


def sweep(keep: Collection[str] = (), *, kept_too: bool = False, engine: bool = False) -> list[str]:
    """Remove what runs left whose harness is dead; return a sentence for each run.

    `keep` names runs to leave alone; runs kept on purpose are removed only with `kept_too`. `engine` also
    asks the Docker engine for leftovers of which this host has no record (its state directory was lost).
    """
    done: list[str] = []
    ledger.remove_drafts()
    for path in ledger.ledgers():
        if path.stem in keep:
            continue
        with ledger.claim_dead(path) as dead:
            if dead is not None and (kept_too or not dead.kept) and not _is_awaited(dead):
                done += remove(dead)
    if engine:
        done += _orphans(kept_too=kept_too)
    return done


async def sweep_async(*, engine: bool = False) -> list[str]:
    """Sweep without blocking the loop."""
    return await asyncio.to_thread(sweep, engine=engine)


def _is_awaited(dead: DeadRun) -> bool:
    """Whether a campaign that lives will use the cluster again."""
    campaign = ledger.parked_for(dead.records)
    return campaign is not None and ledger.is_alive(campaign)


def _orphans(*, kept_too: bool) -> list[str]:
    from quorate.harness.cluster.docker import leftovers  # noqa: PLC0415 - the SDK takes long to load and may not be needed

    try:
        return leftovers.remove_orphans(kept_too=kept_too)
    except Broken:  # no engine, no containers
        return []


def _remove_containers(dead: DeadRun) -> list[str]:
    names = [
        record.name for record in dead.records if record.kind in (ledger.CONTAINER, ledger.DOCKER_NETWORK)
    ]
    if not names:
        return []
    from quorate.harness.cluster.docker import leftovers  # noqa: PLC0415

    return leftovers.remove_run(dead.run_id, names, dead.path.stat().st_mtime)


def _leave_hosts(dead: DeadRun) -> list[str]:
    hosts = [record.name for record in dead.records if record.kind == ledger.HOST]
    if not hosts:
        return []
    from quorate.harness.cluster.ssh import leftovers  # noqa: PLC0415 - loads paramiko
    from quorate.harness.cluster.ssh.hosts import Host  # noqa: PLC0415

    return leftovers.remove_run(dead.run_id, [msgspec.json.decode(host, type=Host) for host in hosts])


def _leave_compose(dead: DeadRun) -> list[str]:
    if not any(record.kind in (ledger.PROJECT, ledger.GUEST) for record in dead.records):
        return []
    from quorate.harness.cluster.compose import leftovers  # noqa: PLC0415 - loads the SDK

    return leftovers.remove(dead.run_id, dead.records)


def remove(dead: DeadRun) -> list[str]:
    """Remove everything of a dead run; return a sentence."""
    left = _remove_containers(dead) + _leave_hosts(dead) + _leave_compose(dead)
    left += remove_local(dead.run_id, dead.records)
    if left:
        return [f"{dead.run_id}: not all could be removed: {'; '.join(left)}"]
    dead.path.unlink(missing_ok=True)
    kinds = [record.kind for record in dead.records]
    counts = {words: kinds.count(kind) for kind, words in _WORDS.items() if kind in kinds}
    told = [f"{count} {one if count == 1 else several}" for (one, several), count in counts.items()]
    if guests := kinds.count(ledger.GUEST):
        return [f"{dead.run_id}: left {guests} containers of somebody's compose project as they were"]
    return [f"{dead.run_id}: removed {', '.join(told)}" if told else f"{dead.run_id}: it had made nothing"]
