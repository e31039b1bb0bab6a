"""Agents of the simulated store: what each node's agent has, and the catalogue that it updates, in the store itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from quorate.harness.core.outcome import OutcomeError, Refused, Reply, Unknown
from quorate.harness.systems.simulated.caller import Caller
from quorate.harness.systems.simulated.cluster import SimulatedNode

_FORGOTTEN_SHARE: Final = 0.04


class AgentCalls(Caller):
    """Register with the agent of the node that this client talks to; it updates the catalogue, and again if it must."""

    async def announce(self, space: str, service: str, value: Any) -> Reply:
        """Register or deregister; a catalogue that could not be updated is updated later."""
        node = await self._agent()
        forgets = self._cluster.strikes("announcement-lost", _FORGOTTEN_SHARE)
        if not forgets:
            node.services[f"{space}/{service}"] = value
        with contextlib.suppress(OutcomeError):
            await self._call("write", f"agents/{node.name}/{space}/{service}", value)
        return Reply(member=node.name)

    async def compare(self, space: str) -> Reply:
        """Read both; where they differ the agent updates the catalogue once more."""
        node = await self._agent()
        told: dict[str, dict[str, Any]] = {"agent": {}, "catalog": {}}
        for key, value in list(node.services.items()):
            if not key.startswith(f"{space}/"):
                continue
            place = f"agents/{node.name}/{key}"
            try:
                seen = (await self._call("read", place)).value
                if seen != value:
                    await self._call("write", place, value)
            except Unknown as error:
                raise Refused("unread", str(error)) from error
            for where, found in (("agent", value), ("catalog", seen)):
                if found is not None:
                    told[where][key.removeprefix(f"{space}/")] = found
        return Reply(value=told, member=node.name)

    async def _agent(self) -> SimulatedNode:
        await asyncio.sleep(self._cluster.network.latency_s())
        node = self._connected()
        if node.replica is not None and node.replica.paused:
            raise Refused("not-connected", f"{node.name} does not answer")
        return node
