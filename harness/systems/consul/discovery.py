"""Discovery: services registered with an agent, their checks, and what the catalogue says of them."""

from __future__ import annotations

from harness.outcome import Reply
from harness.systems.consul.caller import MODES, Caller


class DiscoveryCalls(Caller):
    """Register services with the current server's own agent; find them through any."""

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
