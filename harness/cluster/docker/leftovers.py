"""Remove a run's containers and networks by their labels, at its end and after its harness was killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import docker.errors
import msgspec

from quorate.harness.cluster import identity, ledger
from quorate.harness.cluster.docker import engine
from quorate.harness.cluster.docker.engine import OWNER_LABEL, RUN_LABEL, STATE_LABEL
from quorate.harness.cluster.state import state_directory
from quorate.harness.core.clock import until_blocking
from quorate.harness.core.outcome import Broken

_THREADS = 8
_APPEAR_S = 3.0  # a request sent just before its sender was killed may still be carried out
_TRIES = 5


def remove_run(run_id: str, names: Iterable[str] = (), recorded_at: float = 0.0) -> list[str]:
    """Remove everything with the run's label; return what would not go, also when no engine answers.

    `names` are containers and networks that the run meant to make, last recorded at `recorded_at` (time.time()): if
    that is only seconds ago, the engine may be about to make them, and they are waited for.
    """
    try:
        api = engine.connect()
        with engine.translated(f"removing {run_id}"):
            missing = set(names)

            def remove() -> list[str]:
                containers, networks = _labelled(api, run_id)
                missing.difference_update(name for thing in containers for name in _names(thing))
                missing.difference_update(net["Name"] for net in networks)
                return _remove(api, containers, networks)

            # For the engine to do what it was asked; nothing reports when.
            wait_s = max(0.0, min(_APPEAR_S, recorded_at + _APPEAR_S - time.time()))
            return until_blocking(remove, lambda _: not missing, deadline_s=wait_s, poll_s=0.1)
    except Broken as error:
        return [str(error)]


def remove_orphans(*, kept_too: bool) -> list[str]:
    """Remove what dead runs left of which this host has no record; return a sentence for each run.

    Runs recorded in another state directory (another user's) may be kept on purpose: they go only with `kept_too`.
    """
    api = engine.connect()
    done = []
    for run_id, labels in _labels_of_runs(api).items():
        if not identity.is_run_id(run_id) or ledger.exists(run_id):
            continue
        if labels.get(STATE_LABEL) != str(state_directory()) and not kept_too:
            continue
        owner = _owner(labels)
        if owner is None or identity.is_dead(owner) is None:
            if kept_too:
                done.append(f"{run_id}: left alone, it belongs to another machine")
        elif identity.is_dead(owner):
            left = remove_run(run_id)
            done.append(f"{run_id}: {'; '.join(left) or 'removed its containers and network'}")
    return done


def _labels_of_runs(api: docker.APIClient) -> dict[str, dict[str, str]]:
    """Return the labels of one container or network of every run that the engine knows."""
    with engine.translated("looking for leftovers"):
        things = [
            *api.containers(all=True, filters={"label": RUN_LABEL}),
            *api.networks(filters={"label": RUN_LABEL}),
        ]
    return {thing["Labels"][RUN_LABEL]: thing["Labels"] for thing in things}


def _owner(labels: dict[str, str]) -> identity.Owner | None:
    try:
        return msgspec.json.decode(labels.get(OWNER_LABEL, ""), type=identity.Owner)
    except msgspec.DecodeError:
        return None


def _labelled(api: docker.APIClient, run_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    wanted = {"label": f"{RUN_LABEL}={run_id}"}
    return api.containers(all=True, filters=wanted), api.networks(filters=wanted)


def _names(container: dict[str, Any]) -> list[str]:
    return [name.lstrip("/") for name in container["Names"] or ()]


def _remove(
    api: docker.APIClient, containers: Sequence[dict[str, Any]], networks: Sequence[dict[str, Any]]
) -> list[str]:
    left: list[str] = []
    if containers:
        with ThreadPoolExecutor(_THREADS) as pool:
            for problem in pool.map(lambda one: _try(lambda: _remove_container(one["Id"])), containers):
                left += problem
    for network in networks:
        left += _try(lambda wanted=network["Id"]: api.remove_network(wanted))  # type: ignore[misc]
    return left


def _remove_container(container: str) -> None:
    engine.connect().remove_container(container, force=True, v=True)


def _try(remove: Callable[[], object]) -> list[str]:
    """Remove one thing; gone is as good, and a network may need a moment after its last container."""
    problem = ""
    for _ in range(_TRIES):
        try:
            remove()
        except docker.errors.NotFound:
            return []
        except docker.errors.APIError as error:
            problem = engine.reason(error)
            if "already in progress" in problem:
                return []
            time.sleep(0.2)
        else:
            return []
    return [problem]
