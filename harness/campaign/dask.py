"""Cells on a Dask cluster: one `cluster` resource per worker, so that no two runs share a machine's slot.

Each job still runs in a process of its own, on the worker; only a small record travels back, and the history stays
where it was made. A worker that is lost in the midst loses its job to another one; what its run left behind is swept
by the next start on that machine. Workers are started with `--resources cluster=1`, the scheduler must be able to
import quorate (it reads tasks too).
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from harness.campaign.jobs import Job
from harness.campaign.process import Finished, limit_s, run_process
from harness.outcome import Broken

_SCHEME: Final = "dask://"
_RESOURCE: Final = {"cluster": 1}
_CONNECT_S: Final = 10.0
_FILES_MAX_BYTES: Final = 1 << 30


def _on_worker(encoded: bytes, store: str) -> bytes:
    """Run one job on the worker; the run's folder is named with its host, so that it can be fetched later."""
    job = msgspec.json.decode(encoded, type=Job)
    Path(store).mkdir(parents=True, exist_ok=True)
    finished = asyncio.run(run_process(job, store, 0))
    if finished.results and "run" in finished.results:
        here = f"{socket.gethostname()}:{Path(finished.results['run']).resolve()}"
        finished = msgspec.structs.replace(finished, results={**finished.results, "run": here})
    return msgspec.json.encode(finished)


def _read_files(folder: str) -> dict[str, bytes]:
    """All files of a run's folder, for `fetch`."""
    root = Path(folder)
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    if sum(path.stat().st_size for path in files) > _FILES_MAX_BYTES:
        msg = f"{folder} is larger than {_FILES_MAX_BYTES >> 20} MiB: copy it by other means"
        raise ValueError(msg)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


class DaskExecutor:
    """Runs jobs on the workers of one scheduler; one slot per worker that offers the resource."""

    def __init__(self, address: str, store: str, slots: int) -> None:
        self.slots = slots
        self._address = address
        self._store = store
        self._client: Any = None

    @classmethod
    def connect(cls, url: str, store: str) -> Self:
        """Look at the scheduler once to learn its slots; raise `Broken` with the mend when there are none."""
        address = "tcp://" + url.removeprefix(_SCHEME)
        try:
            from distributed import Client  # noqa: PLC0415 - an optional extra

            with Client(address, timeout=_CONNECT_S, set_as_default=False) as client:
                workers = client.scheduler_info(n_workers=-1)["workers"].values()
        except ImportError as error:
            raise Broken("dask", "Dask is not installed: pip install 'quorate[dask]'") from error
        except OSError as error:
            raise Broken("dask", f"no Dask scheduler answers at {url}: {error}") from error
        slots = sum(int(worker.get("resources", {}).get("cluster", 0)) for worker in workers)
        if slots == 0:
            raise Broken("dask", f"no worker at {url} offers a slot: start them with --resources cluster=1")
        return cls(address, str(Path(store).resolve()), slots)

    async def run(self, job: Job, slot: int) -> Finished:  # noqa: ARG002 - Dask chooses the worker
        """Submit the job and wait; a lost worker's job is run again elsewhere by the scheduler."""
        from distributed import Client  # noqa: PLC0415

        if self._client is None:
            self._client = await Client(
                self._address, asynchronous=True, timeout=_CONNECT_S, set_as_default=False
            )
        future = self._client.submit(
            _on_worker,
            msgspec.json.encode(job),
            self._store,
            key=f"quorate-{job.key}",
            resources=_RESOURCE,
            pure=False,
        )
        try:
            async with asyncio.timeout(2 * limit_s(job)):
                return msgspec.json.decode(await future, type=Finished)
        except TimeoutError:
            return Finished(3, None, "the Dask cluster did not answer in time", 2 * limit_s(job))
        except Exception as error:  # noqa: BLE001 - whatever a lost cluster raises is infrastructure, not a verdict
            return Finished(3, None, f"the Dask cluster failed: {error}", 0.0)
        finally:
            future.release()

    async def close(self) -> None:
        """Leave the scheduler."""
        if self._client is not None:
            await self._client.close()


def fetch(url: str, run: str, target: Path) -> Path:
    """Copy a run's folder (`host:/path` as records name it) from the worker where it stayed to `target`."""
    from distributed import Client  # noqa: PLC0415

    host, _, folder = run.partition(":")
    with Client("tcp://" + url.removeprefix(_SCHEME), timeout=_CONNECT_S, set_as_default=False) as client:
        names = client.run(socket.gethostname)
        workers = [worker for worker, name in names.items() if name == host]
        if not workers:
            raise Broken("dask", f"no worker on {host} is connected: the run's files are in {folder} there")
        files = client.submit(_read_files, folder, workers=workers[:1], pure=False).result(timeout=60.0)
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return target
