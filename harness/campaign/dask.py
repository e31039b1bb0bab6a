"""Cells on a Dask cluster: one `cluster` resource per worker, so that no two runs share a machine's slot.

Each job still runs in a separate process, on the worker; only a small record travels back, and the history stays
where it was made, in the same store seen from the worker's own directory. A worker that is lost in the midst loses
its job to another one: the kernel ends its cell, and what that left behind is swept by the next start on that
machine. Workers are started with `--resources cluster=1`, the scheduler must be able to import quorate (it reads
tasks too).
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from quorate.harness.campaign.jobs import Job
from quorate.harness.campaign.process import Finished, limit_s, run_process
from quorate.harness.core.exits import Exit
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError

_SCHEME: Final = "dask://"
_RESOURCE: Final = {"cluster": 1}
_CONNECT_S: Final = 10.0
_FILES_MAX_BYTES: Final = 1 << 30


def _on_worker(encoded: bytes, store: str) -> bytes:
    """Run one job on the worker; the run's folder is named with its host, so that it can be fetched later."""
    job = msgspec.json.decode(encoded, type=Job)
    Path(store).mkdir(parents=True, exist_ok=True)
    finished = asyncio.run(run_process(job, store, 0))
    results = finished.results
    if results is not None and results.run:
        here = f"{socket.gethostname()}:{Path(results.run).resolve()}"
        finished = msgspec.structs.replace(finished, results=msgspec.structs.replace(results, run=here))
    return msgspec.json.encode(finished)


def _read_files(folder: str) -> dict[str, bytes]:
    """All files of a run's folder, for `fetch`."""
    root = Path(folder)
    if not root.is_dir():
        msg = f"no folder {folder}"
        raise ValueError(msg)
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    if sum(path.stat().st_size for path in files) > _FILES_MAX_BYTES:
        msg = f"{folder} is larger than {_FILES_MAX_BYTES >> 20} MiB: copy it by other means"
        raise ValueError(msg)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def check_address(url: str) -> None:
    """Raise `UsageError` for what is not the address of a scheduler."""
    if not url.startswith(_SCHEME):
        raise UsageError(f"--on {url}: give the address of a scheduler as {_SCHEME}HOST:PORT")


class DaskExecutor:
    """Runs jobs on the workers of one scheduler; one slot per worker that offers the resource."""

    def __init__(self, address: str, store: str, slots: int) -> None:
        self.slots = slots
        self._address = address
        self._store = store
        self._client: Any = None
        self._submitted = 0
        self._lock = asyncio.Lock()

    @classmethod
    def connect(cls, url: str, store: str) -> Self:
        """Look at the scheduler once to learn its slots; raise `Broken` with the fix when there are none."""
        check_address(url)
        address = _address(url)
        client_of = _distributed()
        try:
            with client_of(address, timeout=_CONNECT_S, set_as_default=False) as client:
                workers = client.scheduler_info(n_workers=-1)["workers"].values()
        except OSError as error:
            raise Broken("dask", f"no Dask scheduler answers at {url}: {error}") from error
        slots = sum(int(worker.get("resources", {}).get("cluster", 0)) for worker in workers)
        if slots == 0:
            raise Broken("dask", f"no worker at {url} offers a slot: start them with --resources cluster=1")
        return cls(address, store, slots)

    async def run(self, job: Job, slot: int) -> Finished:  # noqa: ARG002 - Dask chooses the worker
        """Submit the job and wait; a lost worker's job is run again elsewhere by the scheduler."""
        try:
            future = await self._submit(job)
        except OSError as error:
            return Finished(Exit.BROKEN, None, f"no Dask scheduler answers at {self._address}: {error}", 0.0)
        try:
            async with asyncio.timeout(2 * limit_s(job)):
                return msgspec.json.decode(await future, type=Finished)
        except TimeoutError:
            return Finished(Exit.BROKEN, None, "the Dask cluster did not answer in time", 2 * limit_s(job))
        except Exception as error:  # noqa: BLE001 - whatever a lost cluster raises is infrastructure, not a verdict
            return Finished(Exit.BROKEN, None, f"the Dask cluster failed: {error}", 0.0)
        finally:
            future.release()

    async def _submit(self, job: Job) -> Any:
        async with self._lock:  # the first jobs of all slots come at once
            if self._client is None:
                self._client = await _distributed()(
                    self._address, asynchronous=True, timeout=_CONNECT_S, set_as_default=False
                )
            self._submitted += 1
        return self._client.submit(
            _on_worker,
            msgspec.json.encode(job),
            self._store,
            key=f"quorate-{job.key}-{self._submitted}",  # a retry is a separate task
            resources=_RESOURCE,
            pure=False,
        )

    async def close(self) -> None:
        """Leave the scheduler."""
        if self._client is not None:
            await self._client.close()


def fetch(url: str, run: str, target: Path) -> Path:
    """Copy a run's folder (`host:/path` as records name it) from the worker's machine where it stayed to `target`.

    Any worker on that machine will do, busy or not. Raises `Broken` where none is connected or the run is gone.
    """
    client_of = _distributed()
    host, _, folder = run.partition(":")
    try:
        with client_of(_address(url), timeout=_CONNECT_S, set_as_default=False) as client:
            names = client.run(socket.gethostname)
            workers = [worker for worker, name in names.items() if name == host]
            if not workers:
                there = ", ".join(sorted(set(names.values()))) or "none"
                raise Broken("dask", f"no worker on {host} is connected (connected: {there})")
            files = client.run(_read_files, folder, workers=workers[:1])[workers[0]]
    except (OSError, ValueError) as error:
        raise Broken("dask", f"cannot fetch {run} by {url}: {error}") from error
    # Under another name until all of it is there, so that half a run is never taken for a run.
    half = target.with_name(target.name + ".part")
    for name, content in files.items():
        path = half / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return half.rename(target)


def _address(url: str) -> str:
    return "tcp://" + url.removeprefix(_SCHEME)


def _distributed() -> Any:
    """Dask's client class; raise `Broken` with the fix where Dask is missing."""
    try:
        from distributed import Client  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise Broken("dask", "Dask is not installed: pip install 'quorate[dask]'") from error
    return Client
