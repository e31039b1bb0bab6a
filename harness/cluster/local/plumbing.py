"""The network of a local cluster: a namespace for each node and one for the bridge between them.

The bridge has a separate namespace because a Docker engine on the same host sends bridged packets through the
host's firewall (bridge-nf-call-iptables) and drops them there. One veth leads from the bridge to the host side, so
that clients in this process reach the nodes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from quorate.harness.cluster import kernel, links
from quorate.harness.cluster.subnets import HOST_OCTET
from quorate.harness.core.outcome import Broken

_TIMEOUT_S = 10.0
_NODE_INTERFACE = "eth0"
_BRIDGE = "br0"
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
    """Make the namespaces and the links; raises `Broken` with the fix. About 0.1 s for five nodes."""
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
        bridge = pool.submit(kernel.make_netns, plan.bridge_netns, _make_bridge)
        nodes = [pool.submit(kernel.make_netns, plan.netns(name), _quiet) for name in plan.names]
        for future in [bridge, *nodes]:
            future.result(_TIMEOUT_S)
        kernel.in_netns(str(plan.bridge_netns), lambda: _join(plan))
        addresses = [
            pool.submit(kernel.in_netns, str(plan.netns(name)), _address_work(plan.address(name)))
            for name in plan.names
        ]
        _address(plan.host_link, plan.host_address())
        for future in addresses:
            future.result(_TIMEOUT_S)


def _make_bridge() -> None:
    links.add_bridge(_BRIDGE)
    links.bring_up("lo", _BRIDGE)


def _join(plan: Plan) -> None:
    """Lead a wire from the bridge to each node and one to the host side; runs in the bridge's namespace."""
    # By the process' id: this is the network of its main thread, in whatever network the calling thread is.
    ends = [(name, _NODE_INTERFACE, plan.netns(name)) for name in plan.names]
    ends.append(("host", plan.host_link, Path(f"/proc/{os.getpid()}/ns/net")))
    for port, peer, netns in ends:
        links.add_veth(f"p-{port}", peer, netns)
        links.attach(f"p-{port}", _BRIDGE)


def _address_work(address: str) -> kernel.Work:
    def work() -> None:
        links.bring_up("lo")
        _address(_NODE_INTERFACE, address)

    return work


def _address(interface: str, address: str) -> None:
    links.add_address(interface, address, _PREFIX)
    links.bring_up(interface)


def _quiet() -> None:
    """Switch IPv6 off in this thread's namespace: nodes have none, and its chatter would be counted as traffic."""
    for which in ("all", "default"):
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")
