"""Discovery: services registered with an agent or in the catalogue itself, and what the catalogue says of them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from quorate.harness.core.outcome import Reply
from quorate.harness.systems.consul.client.caller import MODES, Caller

# No agent runs there, so none takes out what it does not know: that is how Consul has external services registered.
_OUTSIDE: Final = {"Node": "outside", "Address": "192.0.2.1", "NodeMeta": {"external-node": "true"}}
_VALUE: Final = "value"


class DiscoveryCalls(Caller):
    """Register services with the current server's own agent, or in the catalogue; find them through any server."""

    async def enlist(self, space: str, service: str, value: Any) -> Reply:
        """Register with the catalogue, on a separate node, or deregister; both go through the log."""
        name = _name(space, service)
        if value is None:
            body: dict[str, Any] = {"Node": _OUTSIDE["Node"], "ServiceID": name}
            await self.call("PUT", "/v1/catalog/deregister", body)
            return self.reply()
        meta = {_VALUE: msgspec.json.encode(value).decode()}
        await self.call(
            "PUT",
            "/v1/catalog/register",
            {**_OUTSIDE, "Service": {"ID": name, "Service": name, "Meta": meta}},
        )
        return self.reply()

    async def find(self, space: str, service: str, healthy: bool) -> Reply:  # noqa: FBT001 - as the capability says
        """Look the service up in the catalogue, or among what passes its checks."""
        where = "health" if healthy else "catalog"
        query = "&".join(part for part in ("passing" if healthy else "", MODES[self.options.reads]) if part)
        answer = await self.look(f"/v1/{where}/service/{_name(space, service)}", query=query)
        entries = [each["Service"] for each in answer.body or []] if healthy else answer.body or []
        metas = [each["Meta" if healthy else "ServiceMeta"] for each in entries]
        values = [msgspec.json.decode(meta[_VALUE]) for meta in metas]
        version = entries[0]["ModifyIndex"] if entries else None
        return self.reply(values[0] if values else None, version, answer=answer)

    async def announce(self, space: str, service: str, value: Any) -> Reply:
        """Register with the agent, which answers once it has tried to update the catalogue."""
        name = _name(space, service)
        if value is None:
            await self.call("PUT", f"/v1/agent/service/deregister/{name}")
        else:
            body = {"Name": name, "ID": name, "Meta": {_VALUE: msgspec.json.encode(value).decode()}}
            await self.call("PUT", "/v1/agent/service/register", body)
        return self.reply()

    async def compare(self, space: str) -> Reply:
        """The agent's own list first, then the catalogue's entry of its node, in the mode of the options."""
        deadline, mode, prefix = self.deadline(), MODES[self.options.reads], _name(space, "")
        own = await self.look("/v1/agent/services", deadline=deadline)
        told = await self.look(f"/v1/catalog/node/{self.member}", deadline=deadline, query=mode)
        known = (told.body or {}).get("Services") or {}
        value = {
            where: {
                name.removeprefix(prefix): msgspec.json.decode(entry["Meta"][_VALUE])
                for name, entry in services.items()
                if name.startswith(prefix)
            }
            for where, services in (("agent", own.body or {}), ("catalog", known))
        }
        return self.reply(value, answer=told)

    async def register(self, service: str, instance: str, port: int, ttl_s: float | None = None) -> Reply:
        """Register an instance; with `ttl_s` it is healthy only while `passing` is called that often."""
        body: dict[str, object] = {"Name": service, "ID": instance, "Port": port}
        if ttl_s is not None:
            body["Check"] = {"TTL": f"{ttl_s:g}s", "Status": "critical"}
        await self.call("PUT", "/v1/agent/service/register", body)
        return self.reply()

    async def deregister(self, instance: str) -> Reply:
        """Take an instance out of this agent."""
        await self.call("PUT", f"/v1/agent/service/deregister/{instance}")
        return self.reply()

    async def passing(self, instance: str) -> Reply:
        """Say that the instance is well."""
        await self.call("PUT", f"/v1/agent/check/pass/service:{instance}")
        return self.reply()

    async def instances(self, service: str, *, healthy: bool = False) -> Reply:
        """The value is a sorted list of [node, instance, port], of the healthy ones alone if asked."""
        mode = MODES[self.options.reads]
        query = "&".join(part for part in ("passing" if healthy else "", mode) if part)
        answer = await self.look(f"/v1/health/service/{service}", query=query)
        found = [
            [each["Node"]["Node"], each["Service"]["ID"], each["Service"]["Port"]]
            for each in answer.body or []
        ]
        return self.reply(sorted(found), answer.index, answer=answer)


def _name(space: str, service: str) -> str:
    """The name of a service, in letters that Consul takes."""
    return f"{space}-{service}".replace("/", "-")
