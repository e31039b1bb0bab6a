"""etcd's failpoints: what makes a server pass each, and switching them over the HTTP of gofail.

The comments of etcd's code that become failpoints are listed by the server itself; this table says of the known ones
what they need. After etcd's robustness suite (tests/robustness/failpoint), which drives most of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import msgspec

from quorate.harness.core.failpoints import Point
from quorate.harness.core.node import Cluster, Node
from quorate.harness.core.outcome import Broken, OutcomeError
from quorate.harness.systems.etcd.client.caller import ClientOptions
from quorate.harness.systems.etcd.client.leases import LeasesOfEtcd
from quorate.harness.systems.etcd.client.watches import WatchesOfEtcd
from quorate.harness.systems.etcd.operations.maintenance import Maintenance
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.etcd.server.settings import EtcdSettings

PORT: Final = 2381
_ASK_S: Final = 1.0
_TRIGGER_S: Final = 2.0
_OK: Final = 200
_WATCH_S: Final = 0.3
# What etcd does when nothing is said, from 3.5 on; and how many entries a run may well write.
_SNAPSHOT_COUNT: Final = 10_000
_CATCHUP: Final = 5_000
_LAG_MOST: Final = 4_000
_EVERYTHING: Final = b"\0"

CALL, COMPACT, DEFRAGMENT, SNAPSHOT, MEMBER, LEASE, WATCH, START = (
    "call",
    "compact",
    "defragment",
    "snapshot",
    "member",
    "lease",
    "watch",
    "start",
)

_PANIC_OR_SLEEP: Final = ("panic", "sleep")
_RETURN: Final = ("return",)


def _points(
    trigger: str, *names: str, role: str = "", actions: tuple[str, ...] = _PANIC_OR_SLEEP
) -> list[Point]:
    return [Point(name, trigger, role, actions) for name in names]


KNOWN: Final[dict[str, Point]] = {
    point.name: point
    for point in [
        *_points("", "beforeCommit", "afterCommit", "commitBeforePreCommitHook", "commitAfterPreCommitHook"),
        *_points("", "beforeStartDBTxn", "afterStartDBTxn", "beforeWritebackBuf", "afterWritebackBuf"),
        *_points("", "raftBeforeSave", "raftAfterSave", "raftBeforeAdvance", "walBeforeSync", "walAfterSync"),
        *_points("", "beforeApplyOneEntryNormal"),
        *_points("", "raftBeforeLeaderSend", role="leader"),
        *_points("", "raftBeforeFollowerSend", role="follower"),
        *_points(COMPACT, "compactBeforeCommitScheduledCompact", "compactAfterCommitScheduledCompact"),
        *_points(COMPACT, "compactBeforeSetFinishedCompact", "compactAfterSetFinishedCompact"),
        *_points(COMPACT, "compactBeforeCommitBatch", "compactAfterCommitBatch"),
        *_points(DEFRAGMENT, "defragBeforeCopy", "defragBeforeRename"),
        *_points(DEFRAGMENT, "defragOpenFileError", "defragdbFail", actions=_RETURN),
        *_points(SNAPSHOT, "raftBeforeSaveSnap", "raftAfterSaveSnap", "raftBeforeApplySnap", role="follower"),
        *_points(
            SNAPSHOT, "raftAfterApplySnap", "raftAfterWALRelease", "raftBeforeWALSaveSnaphot", role="follower"
        ),
        *_points(SNAPSHOT, "applyBeforeOpenSnapshot", "applyAfterOpenSnapshot", role="follower"),
        *_points(MEMBER, "beforeApplyOneConfChange"),
        *_points(CALL, "afterIsMemberExist"),
        *_points(LEASE, "beforeCheckpointInLeaseRenew", "beforeLookupWhenLeaseTimeToLive", role="leader"),
        # In a handler of Go's HTTP server, which outlives panics.
        *_points(LEASE, "beforeLookupWhenForwardLeaseTimeToLive", role="leader", actions=("sleep",)),
        # From 3.7 on.
        *_points("", "raftDropHeartbeat"),
        *_points(COMPACT, "compactAfterAcquiredBatchTxLock"),
        *_points(SNAPSHOT, "snapDBRenameBeforeDirSync", role="follower", actions=("sleep",)),
        *_points(SNAPSHOT, "snapDBDirSyncError", role="follower", actions=_RETURN),
        *_points(LEASE, "beforeServeHTTPLeaseRenew", role="leader", actions=("sleep",)),
        Point("beforeRangeStreamChunk", needs="no client here reads ranges as a stream"),
        *_points(WATCH, "beforeSendWatchResponse"),
        *_points(START, "beforePublishing"),
    ]
}


class _Operator(LeasesOfEtcd, WatchesOfEtcd):
    """A client over the harness's own connection, which is not its to close."""


class FailpointsOfEtcd:
    """Failpoints of servers built as `3.6.5+failpoints`; each listens on port 2381 of its node."""

    def __init__(self, release: str | None, settings: EtcdSettings, maintenance: Maintenance) -> None:
        self._release = release
        self._settings = settings
        self._maintenance = maintenance
        self._at_start: dict[str, str] = {}

    def missing(self) -> str | None:
        """Return why there are none, with the release to ask for."""
        if self._settings.binary is not None or all(
            "+failpoints" in part for part in (self._release or "").split(",")
        ):
            return None  # a user's own binary may have some: its servers list them
        asked = f"etcd@{self._release}" if self._release else "a plain etcd"
        plain = (self._release or "3.6.5").split(",")[0].partition("+")[0]
        return f"{asked} is built without failpoints; ask for etcd@{plain}+failpoints (etcd@3.6.5+failpoints was tried)"

    def environment(self, node: Node, *, built_with: bool) -> dict[str, str]:
        """Return what the server on a node is started with."""
        if not built_with:
            return {}
        parts = [part for part in (self._settings.failpoints, self._at_start.get(node.name)) if part]
        armed = {"GOFAIL_FAILPOINTS": ";".join(parts)} if parts else {}
        return {"GOFAIL_HTTP": f"0.0.0.0:{PORT}", **armed}

    def at_start(self, node: Node, armed: str) -> None:
        """Arm this whenever the server on the node starts, until changed."""
        self._at_start[node.name] = armed

    async def points(self, node: Node) -> Sequence[Point]:
        """Return what the server lists, with what is known of each; unknown ones are taken as passed by any load."""
        listed = await self._listed(node)
        if listed is None:
            raise Broken(
                "no-failpoints", f"the server on {node.name} does not list failpoints on port {PORT}"
            )
        return [self._described(KNOWN.get(name, Point(name))) for name in sorted(listed)]

    async def armed(self, node: Node) -> dict[str, str] | None:
        """Return what is armed on a server; None where it does not answer."""
        listed = await self._listed(node)
        return None if listed is None else {name: action for name, action in listed.items() if action}

    async def arm(self, node: Node, point: str, action: str) -> None:
        """Arm it; raise `Broken` where the server does not take it."""
        said = await self._ask(node, "PUT", point, action)
        if said is None:
            raise Broken("not-armed", f"the server on {node.name} does not take {point}={action}")

    async def disarm(self, node: Node, point: str) -> None:
        """Disarm it, where the server lives."""
        await self._ask(node, "DELETE", point)

    async def hits(self, node: Node, point: str) -> int | None:
        """Return gofail's own counter."""
        said = await self._ask(node, "GET", f"{point}/count")
        return int(said) if said is not None and said.isdecimal() else None

    async def pull(self, cluster: Cluster, node: Node, trigger: str, round_: int) -> None:
        """Ask for what the trigger says, once."""
        with contextlib.suppress(OutcomeError, TimeoutError):
            async with asyncio.timeout(_TRIGGER_S):
                await self._pull(cluster, node, trigger, round_)

    async def _pull(self, cluster: Cluster, node: Node, trigger: str, round_: int) -> None:
        others = [other for other in cluster.nodes if other.name != node.name] or [node]
        if trigger == CALL:
            await self._maintenance.call(node, "Status", pb.StatusRequest(), _TRIGGER_S)
        elif trigger == COMPACT:
            other = others[round_ % len(others)]
            here = await self._maintenance.call(other, "Range", pb.RangeRequest(key=_EVERYTHING), _TRIGGER_S)
            await self._maintenance.compact(other, here.header.revision)
        elif trigger == DEFRAGMENT:
            await self._maintenance.defragment(node)
        elif trigger == MEMBER:
            await self._touch_member(others[round_ % len(others)], node)
        elif trigger == LEASE:
            await self._touch_lease(others[round_ % len(others)], node)
        elif trigger == WATCH:
            await self._watch(node)

    async def _touch_member(self, through: Node, node: Node) -> None:
        """Change a member's address to what it is: an entry of a separate kind, without any effect."""
        members = await self._maintenance.members(through)
        mine = next((member for member in members if member.name == node.name), members[0])
        request = pb.MemberUpdateRequest(ID=mine.id, peerURLs=list(mine.peer_urls))
        await self._maintenance.call(through, "MemberUpdate", request, _TRIGGER_S)

    async def _touch_lease(self, follower: Node, leader: Node) -> None:
        granted = await self._maintenance.call(leader, "LeaseGrant", pb.LeaseGrantRequest(TTL=30), _TRIGGER_S)
        for asked in (leader, follower):
            request = pb.LeaseTimeToLiveRequest(ID=granted.ID)
            with contextlib.suppress(OutcomeError):
                await self._maintenance.call(asked, "LeaseTimeToLive", request, _TRIGGER_S)
        for asked in (leader, follower):  # a follower asks the leader over HTTP
            with contextlib.suppress(OutcomeError):
                await self._operator(asked).renew(granted.ID)
        await self._maintenance.call(leader, "LeaseRevoke", pb.LeaseRevokeRequest(ID=granted.ID), _TRIGGER_S)

    async def _watch(self, node: Node) -> None:
        """Watch all keys of the run for a moment: whatever it writes meanwhile is sent."""
        watch = await self._operator(node).watch("/", prefix=True)
        try:
            await watch.next(_WATCH_S)
        finally:
            await watch.close()

    def _operator(self, node: Node) -> _Operator:
        connection = self._maintenance.connection(node)
        return _Operator("operator", [connection], _TRIGGER_S, ClientOptions())

    def _described(self, point: Point) -> Point:
        """Say what is missing for a point that needs a snapshot to be sent."""
        lag = self.lag
        if point.trigger != SNAPSHOT or lag <= _LAG_MOST:
            return point
        needs = (
            f"a member must lag {lag} entries behind before it is sent a snapshot: "
            "add --set snapshot_count=50 --set catchup_entries=50"
        )
        return msgspec.structs.replace(point, needs=needs)

    @property
    def lag(self) -> int:
        """How many entries a member must miss so that it is sent a snapshot."""
        count, kept = self._settings.snapshot_count, self._settings.catchup_entries
        # The log is shortened now and then, not at each entry: so twice as many, to be sure.
        return 2 * ((count or _SNAPSHOT_COUNT) + (kept or _CATCHUP))

    async def _listed(self, node: Node) -> dict[str, str] | None:
        said = await self._ask(node, "GET", "")
        if said is None:
            return None
        pairs = (line.partition("=") for line in said.splitlines() if line)
        return {name: action for name, _, action in pairs}

    async def _ask(self, node: Node, method: str, path: str, body: str = "") -> str | None:
        """Return the answer's text; None where there was none, or it was an error."""
        timeout = aiohttp.ClientTimeout(total=_ASK_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.request(method, f"http://{node.address}:{PORT}/{path}", data=body or None) as answer,
            ):
                said: Any = await answer.text()
                return str(said) if answer.status // 100 * 100 == _OK else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
