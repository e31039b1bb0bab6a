"""A cluster of containers: own network with fixed addresses, everything labelled with the run."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.types
import msgspec

from quorate.harness.cluster import identity, ledger, shell, slots, subnets
from quorate.harness.cluster.docker import images, leftovers, lent
from quorate.harness.cluster.docker.engine import NODE_LABEL, OWNER_LABEL, RUN_LABEL, STATE_LABEL, Engine
from quorate.harness.cluster.docker.entered import Entered, enter
from quorate.harness.cluster.docker.executed import Executed
from quorate.harness.cluster.docker.node import DockerNode
from quorate.harness.cluster.ledger import Ledger
from quorate.harness.cluster.processes import RUN_MARK
from quorate.harness.cluster.standing import Standing
from quorate.harness.cluster.state import state_directory
from quorate.harness.cluster.sweep import sweep_async
from quorate.harness.cluster.together import together
from quorate.harness.core.outcome import Broken

log = logging.getLogger(__name__)

FORCE_VARIABLE = "QUORATE_FORCE_EXEC"  # go through the engine even where this process could enter

_SUBNET_TRIES = 32
_IDLE = f"{shell.IDLE_MARK} exec sleep infinity"
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


class DockerCluster(Standing[DockerNode]):
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
        super().__init__(run_id)
        self._names = [f"n{number}" for number in range(1, count + 1)]
        self._image = image
        self._image_kind = image_kind
        self._force_exec = bool(os.environ.get(FORCE_VARIABLE)) if force_exec is None else force_exec
        self._progress = progress
        self._engine = Engine()
        self._book: Ledger | None = None
        self._shell_is_lent = False
        self._subnet: ipaddress.IPv4Network | None = None
        self._slot: slots.Slot | None = None  # of a campaign, whose next run may reuse these containers
        self._cast: slots.Cast | None = None
        self._taken_over = False

    async def up(self) -> None:
        """Bring the containers up; what a failed `up` made is removed before it raises.

        In a slot of a campaign those of the slot's last run are taken over, if they are what is wanted here.
        """
        await sweep_async(engine=True)
        try:
            image = await self._find_image()
            if self._image is None:
                self._slot = slots.wanted(image, len(self._names), by_exec=self._by_exec())
            if self._slot is None or not await self._take_over(self._slot):
                await self._up(image)
                await self._note_cast()
        except BaseException:
            await self.down()
            raise

    async def down(self) -> None:
        """Remove everything, unless the cluster is kept, or parked for the next run of a campaign's slot."""
        if self._kept or await self._park():
            return
        book, self._book = self._book, None
        self._fall()
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

    def keep(self) -> list[str]:
        """Leave the containers running after `down` and after this process; return how to reach them."""
        if self._book is not None:
            self._book.keep()
            self._kept = True
        return [
            f"{node.name} at {node.address}: docker exec -it {self._container_name(node.name)} sh"
            for node in self._nodes
        ]

    def _by_exec(self) -> bool:
        return self._force_exec or os.geteuid() != 0

    async def _up(self, image: str) -> None:
        self._book = book = Ledger.open(self._run_id)
        self._subnet = await self._make_network(book)
        addresses = self._addresses(self._subnet)
        for name in self._names:
            book.record(ledger.CONTAINER, self._container_name(name))
        by_exec = self._by_exec()
        found = await self._make_containers(image, addresses, by_exec=by_exec)
        reaches = [None if by_exec else enter(init, self._run_id) for _, init in found]
        if not by_exec and None in reaches:  # root here is not root there: an engine on another kernel
            by_exec = True
            await self._remove(found)
            found = await self._make_containers(image, addresses, by_exec=True)
        self._nodes = self._nodes_of(found, reaches, addresses)
        await asyncio.gather(*(node.prepare() for node in self._nodes))

    def _addresses(self, subnet: ipaddress.IPv4Network) -> dict[str, str]:
        return {name: str(subnet.network_address + 1 + place) for place, name in enumerate(self._names)}

    def _nodes_of(
        self,
        found: Sequence[tuple[str, int]],
        reaches: Sequence[Entered | None],
        addresses: dict[str, str],
    ) -> list[DockerNode]:
        return [
            DockerNode(name, addresses[name], container, self._engine, self._reach(container, reach))
            for name, (container, _), reach in zip(self._names, found, reaches, strict=True)
        ]

    async def _take_over(self, slot: slots.Slot) -> bool:
        """Reuse the containers that the slot's last run parked; those that died meanwhile are removed."""
        taken = await asyncio.to_thread(slots.take, slot, self._run_id)
        if taken is None:
            return False
        book, cast = taken
        found = await self._engine.call(
            lambda api: [_running(api, f"{book.run_id}-{name}") for name in self._names],
            doing=f"looking for the containers of {book.run_id}",
        )
        living = [one for one in found if one is not None]
        if len(living) < len(found):
            await asyncio.to_thread(slots.drop, book)
            return False
        self._book, self._cast, self._run_id, self._taken_over = book, cast, book.run_id, True
        self._subnet = ipaddress.IPv4Network((cast.network_address, 24))
        reaches = [None if slot.by_exec else enter(init, self._run_id) for _, init in living]
        self._nodes = self._nodes_of(living, reaches, self._addresses(self._subnet))
        await asyncio.gather(*(node.recall() for node in self._nodes))
        return True

    async def _note_cast(self) -> None:
        """Note how untouched nodes look, so that what a fault left in them is seen when they are handed on."""
        if self._slot is not None and self._subnet is not None:
            untouched = await self._look()
            self._cast = slots.Cast(self._slot, str(self._subnet.network_address), untouched)

    async def _look(self) -> str:
        looks = await asyncio.gather(*(node.look() for node in self._nodes))
        return hashlib.sha256("\0".join(looks).encode()).hexdigest()

    async def _park(self) -> bool:
        """Wipe the nodes and leave them to the slot's next run; False, for removal, where they are not as new."""
        cast, book = self._cast, self._book
        if cast is None or book is None:
            return False
        self._cast = None
        try:
            await self.wipe()
            if await self._look() != cast.untouched:
                log.info("the nodes of %s are not as they were: removed", self._run_id)
                return False
            parked = await asyncio.to_thread(slots.park, book, cast, known=self._taken_over)
        except Broken as error:
            log.info("the nodes of %s could not be wiped: %s", self._run_id, error)
            return False
        if parked:
            self._book = None
            self._fall()
            self._engine.close()
        return parked

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
                create = partial(self._create_network, subnet=subnet)
                await together([self._engine.call(create, doing="making a network")])
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
        # Parked containers outlive this process: they are the campaign's.
        who = ledger.owner_of(self._slot.campaign) if self._slot is not None else None
        owner = msgspec.json.encode(who or identity.this_owner()).decode()
        return {RUN_LABEL: self._run_id, OWNER_LABEL: owner, STATE_LABEL: str(state_directory())}


def _running(api: docker.APIClient, name: str) -> tuple[str, int] | None:
    """Return a container's id and first pid while it runs."""
    try:
        found: dict[str, Any] = api.inspect_container(name)
    except docker.errors.NotFound:
        return None
    return (str(found["Id"]), int(found["State"]["Pid"])) if found["State"]["Running"] else None


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
