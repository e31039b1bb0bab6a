"""The network of a local cluster: a namespace for each node and one for the bridge between them.

The bridge has a namespace of its own because a Docker engine on the same host sends bridged packets through the
host's firewall (bridge-nf-call-iptables) and drops them there. One veth leads from the bridge to the host side, so
that clients in this process reach the nodes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from quorate.harness.cluster import kernel
from quorate.harness.cluster.subnets import HOST_OCTET
from quorate.harness.core.outcome import Broken

_TIMEOUT_S = 10.0
_NODE_INTERFACE = "eth0"
_PREFIX = 24


class Plan(msgspec.Struct, frozen=True):
    """Everything that will be made, decided before anything is."""

    run_id: str
    folder: Path  # of the namespaces' files
    subnet: ipaddress.IPv4Network
    names: tuple[str, ...]

    @property
    def host_link(self) -> str:
        """The interface on the host side: the run id and one letter, within the kernel's 15 characters."""
        return f"{self.run_id}h"

    @property
    def bridge_netns(self) -> Path:
        """The bridge's namespace."""
        return self.folder / "bridge"

    def netns(self, name: str) -> Path:
        """Return a node's namespace."""
        return self.folder / name

    def address(self, name: str) -> str:
        """Return a node's address: they count from .1 in the order of their names."""
        return str(self.subnet.network_address + 1 + self.names.index(name))

    def host_address(self) -> str:
        """Return the address of the host's own end."""
        return str(self.subnet.network_address + HOST_OCTET)


def build(plan: Plan) -> None:
    """Make the namespaces and the links; raises `Broken` with the mend. About 0.1 s for five nodes."""
    plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _build(plan)
    except PermissionError as error:
        raise Broken(
            "no-privilege", f"cannot make network namespaces ({error}): run as root, or allow user namespaces"
        ) from error
    except OSError as error:
        raise Broken("no-network", f"cannot make the network of the local cluster: {error}") from error


def _build(plan: Plan) -> None:
    with ThreadPoolExecutor(len(plan.names) + 1) as pool:
        bridge = pool.submit(
            kernel.make_netns,
            plan.bridge_netns,
            lambda: ip_batch(["link add br0 type bridge", *_up("lo", "br0")]),
        )
        nodes = [pool.submit(kernel.make_netns, plan.netns(name), _quiet) for name in plan.names]
        for future in [bridge, *nodes]:
            future.result(_TIMEOUT_S)
        kernel.in_netns(str(plan.bridge_netns), lambda: ip_batch(_bridge_lines(plan)))
        addresses = [
            pool.submit(kernel.in_netns, str(plan.netns(name)), _address_work(plan, name))
            for name in plan.names
        ]
        host = pool.submit(
            ip_batch, [f"addr add {plan.host_address()}/{_PREFIX} dev {plan.host_link}", *_up(plan.host_link)]
        )
        for future in [host, *addresses]:
            future.result(_TIMEOUT_S)


def _bridge_lines(plan: Plan) -> list[str]:
    lines = []
    ends = [(name, _NODE_INTERFACE, str(plan.netns(name))) for name in plan.names]
    ends.append(("host", plan.host_link, str(os.getpid())))
    for port, peer, netns in ends:
        lines.append(f"link add p-{port} type veth peer name {peer} netns {netns}")
        lines.append(f"link set p-{port} master br0 up")
    return lines


def _address_work(plan: Plan, name: str) -> kernel.Work:
    lines = [f"addr add {plan.address(name)}/{_PREFIX} dev {_NODE_INTERFACE}", *_up("lo", _NODE_INTERFACE)]
    return lambda: ip_batch(lines)


def _up(*interfaces: str) -> list[str]:
    return [f"link set {interface} up" for interface in interfaces]


def _quiet() -> None:
    """Switch IPv6 off in this thread's namespace: nodes have none, and its chatter would be counted as traffic."""
    for which in ("all", "default"):
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")


def ip_batch(lines: Sequence[str]) -> None:
    """Run lines of `ip` in one process, in the namespace of the calling thread; raises `Broken`."""
    try:
        done = subprocess.run(
            ["ip", "-batch", "-"],
            input="\n".join(lines) + "\n",
            text=True,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise Broken("no-ip", "the command `ip` is missing: install iproute2") from error
    except subprocess.TimeoutExpired as error:
        raise Broken("timeout", f"ip did not end within {_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        raise Broken("no-network", f"ip: {done.stderr.strip() or 'failed without a word'}")
