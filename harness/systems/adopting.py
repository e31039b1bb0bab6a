"""Clusters that somebody else runs: what may be asked of them, whatever the system."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from quorate.harness.core.clock import until
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import described
from quorate.harness.core.system import NodeStatus

_LOOK_S: Final = 15.0
_POLL_S: Final = 0.1


class Adopting(msgspec.Struct, frozen=True):
    """What a system's clients can do on servers that are not quorate's.

    `settings` are all of the system's, `of_clients` those that mean something there. `beyond` says of each workload
    that reaches beyond a prefix why it does. `denied` are words of refusals that waiting does not change.
    """

    settings: type[msgspec.Struct]
    of_clients: frozenset[str]
    beyond: Mapping[str, str]
    denied: tuple[str, ...]

    def check(self, workloads: Sequence[str], given: Mapping[str, str]) -> None:
        """Raise `UsageError` for what reaches beyond the prefix, and for settings of servers."""
        for name in sorted(self.beyond.keys() & set(workloads)):
            raise UsageError(f"-w {name} {self.beyond[name]}: not on a cluster that is already there")
        if wrong := sorted((set(described(self.settings)) - self.of_clients).intersection(given)):
            raise UsageError(
                f"--set {wrong[0]}: a setting of servers, and those of --cluster running are not quorate's"
            )

    async def look(
        self,
        status: Callable[[], Awaitable[Sequence[NodeStatus]]],
        unserved: Callable[[], Awaitable[str]],
    ) -> dict[str, str]:
        """Return the version of each member; raises `Broken` where one does not report it, or does not serve."""

        async def asked() -> tuple[Sequence[NodeStatus], str]:
            statuses = await status()
            silent = "; ".join(f"{one.node}: {one.error}" for one in statuses if one.version is None)
            return statuses, silent or await unserved()

        def final(found: tuple[Sequence[NodeStatus], str]) -> bool:
            # What is slow may come yet (a password alone takes a tenth of a second); what is denied will not.
            return not found[1] or any(word in found[1] for word in self.denied)

        statuses, refused = await until(asked, final, deadline_s=_LOOK_S, poll_s=_POLL_S)
        if refused:
            raise Broken("not-there", f"the cluster does not serve: {refused}")
        return {one.node: str(one.version) for one in statuses}

    @staticmethod
    async def wait_serving(unserved: Callable[[], Awaitable[str]], name: str, deadline_s: float) -> None:
        """Return once every endpoint answers a read; its leader may be a member that was not named."""
        why = await until(unserved, lambda said: not said, deadline_s=deadline_s, poll_s=_POLL_S)
        if why:
            raise Broken("not-ready", f"{name} did not serve within {deadline_s:g} s: {why}")
