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
_UNFIT: Final = {
    "tls": "for servers of quorate's; how clients are let in by these say ca, cert and key",
    "auth": "for servers of quorate's; what clients show to these say user and password_file, or token_file",
}


class Adopting(msgspec.Struct, frozen=True):
    """What a system's clients can do on servers that are not quorate's.

    `settings` are all of the system's, `of_clients` those that mean something there; `unfit` says of others that are
    not the servers' why they do not. `beyond` says of each workload that reaches beyond a prefix why it does. `denied`
    are words of refusals that waiting does not change.
    """

    settings: type[msgspec.Struct]
    of_clients: frozenset[str]
    beyond: Mapping[str, str]
    denied: tuple[str, ...]
    unfit: Mapping[str, str] = {}

    def check(self, workloads: Sequence[str], given: Mapping[str, str]) -> None:
        """Raise `UsageError` for what reaches beyond the prefix, and for settings that cannot be kept."""
        for name in sorted(self.beyond.keys() & set(workloads)):
            raise UsageError(f"-w {name} {self.beyond[name]}: not on servers that are not quorate's")
        for name in sorted((set(described(self.settings)) - self.of_clients).intersection(given)):
            why = {**_UNFIT, **self.unfit}.get(name, "a setting of servers, and these are not quorate's")
            raise UsageError(f"--set {name}: {why}")

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
