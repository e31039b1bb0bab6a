"""The Docker engine: one connection for each thread, and its errors as `Broken` with the fix."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import docker
import docker.errors
import requests.exceptions

from quorate.harness.core.outcome import Broken

RUN_LABEL = "quorate.run"
OWNER_LABEL = "quorate.owner"
STATE_LABEL = "quorate.state"  # where the run is recorded: other users have other places
NODE_LABEL = "quorate.node"

_TIMEOUT_S = 60
_THREADS = 16  # calls to the engine at once; its own work is the limit long before
_MEND = (
    "start it (`systemctl start docker`), join the group `docker`, set DOCKER_HOST to another engine, "
    "or use `--cluster local`, which needs none"
)

T = TypeVar("T")


class Engine:
    """A Docker engine; calls block, `call` runs them on threads. The SDK's sessions are not shared by threads."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._pool: ThreadPoolExecutor | None = None

    @property
    def api(self) -> docker.APIClient:
        """The connection of the calling thread; raises `Broken` where no engine answers."""
        api: docker.APIClient | None = getattr(self._local, "api", None)
        if api is None:
            self._local.api = api = connect()
        return api

    async def call(self, work: Callable[[docker.APIClient], T], *, doing: str) -> T:
        """Run `work` on one of the engine's threads; `doing` is what an error says was being done."""

        def body() -> T:
            with translated(doing):
                return work(self.api)

        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: context.run(body))

    def close(self) -> None:
        """Let the threads go; the next call makes new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def connect(timeout_s: int = _TIMEOUT_S) -> docker.APIClient:
    """Connect to the engine of DOCKER_HOST or this host; raises `Broken` where none answers."""
    try:
        api = docker.from_env(timeout=timeout_s).api
        api.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise Broken("no-engine", f"no Docker engine answers ({reason(error)}): {_MEND}") from error
    return api


def platform(api: docker.APIClient) -> tuple[str, str]:
    """Return the operating system and the architecture of the engine's containers, as Go calls them: linux, arm64.

    The engine may live in a virtual machine or on another host: this host's say nothing.
    """
    with translated("asking the engine for its platform"):
        told = api.version(api_version=False)
    return str(told.get("Os", "linux")).lower(), str(told.get("Arch", "amd64")).lower()


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the SDK's errors into `Broken`."""
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise Broken(
            "no-image",
            f"{doing}: {reason(error)}; build it (`quorate images build`) or pull it (`docker pull`)",
        ) from error
    except docker.errors.NotFound as error:
        raise Broken("not-found", f"{doing}: {reason(error)}") from error
    except docker.errors.DockerException as error:
        raise Broken("engine-error", f"{doing}: {reason(error)}") from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise Broken("engine-gone", f"{doing}: the Docker engine did not answer ({reason(error)})") from error


def reason(error: Exception) -> str:
    """Return an error's own words on one line."""
    text = getattr(error, "explanation", None) or str(error)
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return " ".join(str(text).split())[:500]
