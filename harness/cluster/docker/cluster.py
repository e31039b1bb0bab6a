"""A cluster of containers: own network with fixed addresses, everything labelled with the run."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import docker
import docker.types
import msgspec

from harness.cluster import identity, ledger, shell, subnets
from harness.cluster.docker import images, leftovers, lent
from harness.cluster.docker.engine import NODE_LABEL, OWNER_LABEL, RUN_LABEL, STATE_LABEL, Engine
from harness.cluster.docker.entered import Entered, enter
from harness.cluster.docker.executed import Executed
from harness.cluster.docker.node import DockerNode
from harness.cluster.ledger import Ledger
from harness.cluster.networking import network_of
from harness.cluster.node import Network
from harness.cluster.processes import RUN_MARK
from harness.cluster.state import state_directory
from harness.cluster.sweep import sweep_async
from harness.cluster.together import together
from harness.outcome import Broken

FORCE_VARIABLE = "QUORATE_FORCE_EXEC"  # go through the engine even where this process could enter

_SUBNET_TRIES = 32
_IDLE = f"{shell.IDLE_MARK} exec sleep infinity"
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


class DockerCluster:
    """Containers on a Docker engine; satisfies the protocol `Cluster`."""

    def __init__(
        self,
        run_id: str,
        count: int,
        *,
        image: str | None = None,
        image_kind: str = "base",
        force_exec: bool | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._run_id = run_id
        self._names = [f"n{number}" for number in range(1, count + 1)]
        self._image = image
        self._image_kind = image_kind
        self._force_exec = bool(os.environ.get(FORCE_VARIABLE)) if force_exec is None else force_exec
        self._progress = progress
        self._engine = Engine()
        self._book: Ledger | None = None
        self._nodes: list[DockerNode] = []
        self._network: Network | None = None
        self._kept = False
        self._shell_is_lent = False

    @property
    def run_id(self) -> str:
        """The label on everything this cluster made."""
        return self._run_id

    @property
    def nodes(self) -> Sequence[DockerNode]:
        """All nodes, in order of their names; none before `up`."""
        return self._nodes

    @property
    def network(self) -> Network:
        """The network between the nodes."""
        if self._network is None:
            self._network = network_of(self._nodes, self._run_id)
        return self._network

    async def up(self) -> None:
        """Bring the containers up; what a failed `up` made is removed before it raises."""
        await sweep_async(engine=True)
        try:
            await self._up()
        except BaseException:
            await self.down()
            raise

    async def wipe(self) -> None:
        """Kill all daemons, empty the directories and heal the network; the containers stay."""
        await asyncio.gather(*(node.wipe() for node in self._nodes))
        if self._network is not None:
            await self._network.heal()

    async def down(self) -> None:
        """Remove everything, unless the cluster is kept."""
        if self._kept:
            return
        book, self._book = self._book, None
        self._nodes, self._network = [], None
        if book is None:
            return
        self._engine.close()
        left = await asyncio.to_thread(leftovers.remove_run, book.run_id)
        if left:
            book.release()  # the next sweep tries again
            raise Broken("not-removed", "; ".join(left))
        for record in book.records():
            if record.kind == ledger.SUBNET:
                subnets.release(record.name, book.run_id)
        book.remove()

    def keep(self) -> None:
        """Leave the containers running after `down` and after this process, until `quorate clean`."""
        if self._book is not None:
            self._book.keep()
            self._kept = True

    async def _up(self) -> None:
        self._book = book = Ledger.open(self._run_id)
        image = await self._find_image()
        subnet = await self._make_network(book)
        addresses = {name: str(subnet.network_address + 1 + place) for place, name in enumerate(self._names)}
        for name in self._names:
            book.record(ledger.CONTAINER, self._container_name(name))
        by_exec = self._force_exec or os.geteuid() != 0
        found = await self._make_containers(image, addresses, by_exec=by_exec)
        reaches = [None if by_exec else enter(init, self._run_id) for _, init in found]
        if not by_exec and None in reaches:  # root here is not root there: an engine on another kernel
            by_exec = True
            await self._remove(found)
            found = await self._make_containers(image, addresses, by_exec=True)
        self._nodes = [
            DockerNode(name, addresses[name], container, self._engine, self._reach(container, reach))
            for name, (container, _), reach in zip(self._names, found, reaches, strict=True)
        ]
        await asyncio.gather(*(node.prepare() for node in self._nodes))

    async def _find_image(self) -> str:
        if self._image is not None:
            has_shell = partial(lent.has_shell, image=self._image)
            self._shell_is_lent = not await self._engine.call(has_shell, doing=f"looking into {self._image}")
            return self._image
        return await asyncio.to_thread(images.ensure_image, self._image_kind, progress=self._progress)

    def _reach(self, container: str, entered: Entered | None) -> Entered | Executed:
        return entered or Executed(self._engine, container, self._run_id)

    async def _make_network(self, book: Ledger) -> ipaddress.IPv4Network:
        """Make the cluster's network in the first subnet that the engine accepts; it knows of more than this host."""
        book.record(ledger.DOCKER_NETWORK, self._run_id)
        refused: list[ipaddress.IPv4Network] = []
        for _ in range(_SUBNET_TRIES):
            subnet = subnets.claim(book, refused=refused)
            try:
                await self._engine.call(
                    partial(self._create_network, subnet=subnet), doing="making a network"
                )
            except Broken as error:
                if "overlap" not in error.text:
                    raise
                subnets.release(str(subnet.network_address), self._run_id)
                refused.append(subnet)
            else:
                return subnet
        raise Broken(
            "no-subnet",
            f"the Docker engine refused {len(refused)} networks in {subnets.RANGE}: run `quorate clean`",
        )

    def _create_network(self, api: docker.APIClient, *, subnet: ipaddress.IPv4Network) -> None:
        gateway = str(subnet.network_address + subnets.HOST_OCTET)
        pool = docker.types.IPAMPool(subnet=str(subnet), gateway=gateway)
        api.create_network(
            self._run_id,
            driver="bridge",
            ipam=docker.types.IPAMConfig(pool_configs=[pool]),
            labels=self._labels(),
            check_duplicate=True,
        )

    async def _make_containers(
        self, image: str, addresses: dict[str, str], *, by_exec: bool
    ) -> list[tuple[str, int]]:
        """Create and start all containers at once; return their ids and first pids."""

        def work(name: str) -> Callable[[docker.APIClient], tuple[str, int]]:
            return lambda api: self._make_container(api, image, name, addresses, by_exec=by_exec)

        tasks = [
            self._engine.call(work(name), doing=f"making a container of {image}") for name in self._names
        ]
        return await together(tasks)

    def _make_container(
        self, api: docker.APIClient, image: str, name: str, addresses: dict[str, str], *, by_exec: bool
    ) -> tuple[str, int]:
        endpoint = api.create_endpoint_config(ipv4_address=addresses[name])
        made = api.create_container(
            image,
            entrypoint=[f"{lent.FOLDER}/sh" if self._shell_is_lent else "sh", "-c", _IDLE],
            name=self._container_name(name),
            hostname=name,
            user="0:0",
            working_dir="/",
            labels={**self._labels(), NODE_LABEL: name},
            environment={RUN_MARK: self._run_id, "PATH": shell.NODE_PATH},
            healthcheck={"test": ["NONE"]},  # the image's own would ask a server that is down on purpose
            networking_config=api.create_networking_config({self._run_id: endpoint}),  # type: ignore[arg-type]
            host_config=api.create_host_config(
                init=True,
                network_mode=self._run_id,
                extra_hosts=addresses,
                cap_add=_capabilities() if by_exec else [],
            ),
        )
        if self._shell_is_lent:
            lent.lend(api, made["Id"])
        api.start(made["Id"])
        state: dict[str, Any] = api.inspect_container(made["Id"])["State"]
        if not state["Running"]:
            raise Broken("no-node", f"a container of {image} ended at once: it needs sh and sleep")
        return made["Id"], int(state["Pid"])

    async def _remove(self, found: Sequence[tuple[str, int]]) -> None:
        def work(api: docker.APIClient) -> None:
            for container, _ in found:
                api.remove_container(container, force=True)

        await self._engine.call(work, doing="removing containers")

    def _container_name(self, node: str) -> str:
        return f"{self._run_id}-{node}"

    def _labels(self) -> dict[str, str]:
        owner = msgspec.json.encode(identity.this_owner()).decode()
        return {RUN_LABEL: self._run_id, OWNER_LABEL: owner, STATE_LABEL: str(state_directory())}


def _capabilities() -> list[str]:
    """Return what a container needs beyond Docker's defaults when nothing can be done to it from outside.

    NET_ADMIN to write firewall rules in its own namespace; SYS_PTRACE only where the kernel's Yama forbids the clock
    helper to attach to a server that it did not start, though both are root in there.
    """
    try:
        yama = _YAMA.read_text().strip() != "0"
    except OSError:
        yama = False
    return ["NET_ADMIN", "SYS_PTRACE"] if yama else ["NET_ADMIN"]
