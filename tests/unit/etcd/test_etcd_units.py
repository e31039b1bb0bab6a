"""Parts of the etcd system that need no server."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from quorate.checkers.linearizable import Linearizable
from quorate.harness.core.outcome import Refused
from quorate.harness.core.settings import read
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.etcd.client.leases import Lease
from quorate.harness.systems.etcd.client.locks import LocksOfEtcd
from quorate.harness.systems.etcd.client.outcomes import TABLE, classify
from quorate.harness.systems.etcd.client.transactions import _keys_to_read
from quorate.harness.systems.etcd.protocol import DESCRIPTOR_SET, SERVICES, Stubs, pb
from quorate.harness.systems.etcd.protocol.build import build
from quorate.harness.systems.etcd.server.flags import Place, arguments
from quorate.harness.systems.etcd.server.health import describe
from quorate.harness.systems.etcd.server.settings import EtcdSettings
from quorate.harness.systems.micro import play

PLACES = [Place(f"n{n}", f"198.18.0.{n}", "/x/etcd", f"/x/n{n}") for n in (1, 2, 3)]


class TestProtocol:
    def test_the_descriptor_set_is_what_the_proto_files_say(self):
        assert build() == DESCRIPTOR_SET.read_bytes()

    def test_no_two_services_share_a_method_name(self):
        names = [name for methods in SERVICES.values() for name, _ in methods]
        assert len(names) == len(set(names))
        assert {"Range", "Txn", "LeaseKeepAlive", "Lock", "Campaign", "Status", "MemberPromote"} <= set(names)

    def test_an_unknown_method_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="NoSuch"):
            _ = Stubs(None).NoSuch

    def test_messages_survive_the_wire(self):
        request = pb.RangeRequest(key=b"k", revision=7, serializable=True)
        assert pb.RangeRequest.FromString(request.SerializeToString()) == request


class TestOutcomes:
    @pytest.mark.parametrize(
        ("status", "text", "outcome", "code"),
        [
            ("UNAVAILABLE", "failed to connect to all addresses; last error: x", "fail", "not-connected"),
            (
                "UNAVAILABLE",
                "Stream removed (recvmsg:Connection reset by peer (104))",
                "info",
                "connection-lost",
            ),
            (
                "UNAVAILABLE",
                "etcdserver: request timed out, possibly due to connection lost",
                "info",
                "server-timeout",
            ),
            ("UNAVAILABLE", "etcdserver: server stopped", "info", "server-stopped"),
            ("UNAVAILABLE", "etcdserver: not capable", "fail", "not-capable"),
            ("UNAVAILABLE", "etcdserver: rpc not supported for learner", "fail", "learner"),
            ("FAILED_PRECONDITION", "etcdserver: not leader", "fail", "precondition"),
            ("RESOURCE_EXHAUSTED", "etcdserver: too many requests", "fail", "too-many-requests"),
            ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded", "info", "no-space"),
            ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (3 vs. 2)", "fail", "too-large"),
            (
                "RESOURCE_EXHAUSTED",
                "CLIENT: Received message larger than max (5 vs. 1)",
                "info",
                "reply-too-large",
            ),
            ("RESOURCE_EXHAUSTED", "grpc: trying to send message larger than max", "info", "reply-too-large"),
            ("PERMISSION_DENIED", "etcdserver: permission denied", "fail", "denied"),
            ("UNAUTHENTICATED", "etcdserver: invalid auth token", "fail", "unauthenticated"),
            ("CANCELLED", "", "info", "cancelled"),
            ("UNKNOWN", "etcdserver: too many requests", "fail", "too-many-requests"),
            ("UNKNOWN", "context deadline exceeded", "info", "unknown-error"),
            ("INTERNAL", "", "info", "unknown-error"),
            ("DATA_LOSS", "etcdserver: corrupt cluster", "info", "unknown-error"),
            ("ABORTED", "anything", "info", "unknown-error"),
        ],
    )
    def test_rows(self, status, text, outcome, code):
        row = classify(status, text)
        assert (row.outcome, row.code) == (outcome, code)

    def test_what_is_in_no_row_is_unknown(self):
        assert classify("SOMETHING_NEW", "whatever").outcome == "info"
        assert TABLE[-1].outcome == "info"

    def test_only_the_last_row_takes_everything(self):
        assert [row.status for row in TABLE].index("*") == len(TABLE) - 1


class TestSettings:
    def test_defaults(self):
        settings = read(EtcdSettings, {})
        assert (settings.heartbeat_ms, settings.election_ms) == (100, 1000)
        assert not settings.client.serializable

    def test_values(self):
        given = {
            "reads": "serializable", "heartbeat": "20ms", "election": "200ms", "snapshot_count": "50",
            "lease_ttl": "2s", "lock": "service", "args": "--max-snapshots 2", "pre_vote": "false",
            "ops_per_key": "7",
        }  # fmt: skip
        settings = read(EtcdSettings, given)
        assert settings.client.serializable
        assert settings.client.lock_service
        assert settings.client.lease_ttl_s == 2
        assert (settings.heartbeat_ms, settings.election_ms, settings.snapshot_count) == (20, 200, 50)
        assert settings.flags == ("--max-snapshots", "2")
        assert settings.pre_vote is False

    @pytest.mark.parametrize(
        "given",
        [
            {"reads": "stale"},
            {"heartbeat": "fast"},
            {"heartbeat": "500ms"},
            {"snapshot_count": "-1"},
            {"snapshot_count": "0"},
            {"unsafe_no_fsync": "perhaps"},
            {"args": "--x 'unclosed"},
            {"lock": "both"},
        ],
    )
    def test_nonsense_is_a_usage_error_that_names_it(self, given):
        with pytest.raises(UsageError, match=next(iter(given))):
            Etcd(SystemOptions(settings=given))

    @pytest.mark.parametrize("release", ["3.5.99x", "newest", "3.4.23,nonsense", "2.3.8"])
    def test_an_unknown_release_is_a_usage_error_before_anything_starts(self, release):
        with pytest.raises(UsageError, match="no way to get etcd@"):
            Etcd(SystemOptions(release=release))

    def test_every_setting_is_described(self):
        assert all(Etcd.described().values())


class TestFlags:
    def argv(self, release, **more):
        settings = read(EtcdSettings, more)
        return arguments(PLACES[0], PLACES, release, settings, token="t")

    def test_every_release_gets_the_flags_it_knows(self):
        given = {
            "compaction_batch": "10",
            "catchup_entries": "5",
            "unsafe_no_fsync": "true",
            "pre_vote": "true",
        }
        old, middle, new, newest = (
            self.argv(release, **given) for release in ((3, 3, 25), (3, 4, 23), (3, 5, 16), (3, 7, 3))
        )
        assert not [flag for flag in old if "logger" in flag or "compaction" in flag or "fsync" in flag]
        assert "--experimental-compaction-batch-limit=10" in middle
        assert "--unsafe-no-fsync=true" not in middle
        assert "--experimental-snapshot-catchup-entries=5" in new
        assert {
            "--compaction-batch-limit=10",
            "--snapshot-catchup-entries=5",
            "--unsafe-no-fsync=true",
        } <= set(newest)

    def test_members_and_own_arguments(self):
        argv = self.argv((3, 5, 16), args="--log-level debug")
        assert argv[0] == "/x/etcd"
        assert (
            "--initial-cluster=n1=http://198.18.0.1:2380,n2=http://198.18.0.2:2380,n3=http://198.18.0.3:2380"
            in argv
        )
        assert argv[-2:] == ("--log-level", "debug")


class TestHealth:
    def status(self, **more):
        header = pb.ResponseHeader(member_id=1, revision=9)
        return describe("n1", pb.StatusResponse(header=header, version="3.5.16", **more))

    def test_roles(self):
        assert self.status(leader=1, raftTerm=3).role == "leader"
        assert self.status(leader=2).role == "follower"
        assert self.status(leader=2, isLearner=True).role == "learner"

    def test_no_leader_and_alarms_are_unhealthy(self):
        assert not self.status(leader=0).healthy
        assert self.status(leader=0).error == "no leader"
        alarmed = self.status(leader=2, errors=["memberID:1 alarm:NOSPACE "])
        assert not alarmed.healthy
        assert "NOSPACE" in alarmed.error

    def test_old_releases_tell_only_their_raft_index(self):
        assert self.status(leader=1, raftIndex=70).applied == 70
        assert self.status(leader=1, raftIndex=70, raftAppliedIndex=68).applied == 68


class TestTransactions:
    def test_only_keys_whose_stored_value_matters_are_read(self):
        micro = [["w", "a", 1], ["r", "a", None], ["append", "b", 2], ["r", "c", None], ["r", "b", None]]
        assert _keys_to_read(micro) == ["b", "c"]
        state = {"b": [1], "c": 5}
        done, written = play(micro, state)
        assert done == [["w", "a", 1], ["r", "a", 1], ["append", "b", 2], ["r", "c", 5], ["r", "b", [1, 2]]]
        assert {key: state[key] for key in written} == {"a": 1, "b": [1, 2]}

    def test_the_lists_of_reads_are_not_the_state_itself(self):
        done, _ = play([["r", "a", None], ["append", "a", 2], ["r", "a", None]], {"a": [1]})
        assert done[0][2] == [1]
        assert done[2][2] == [1, 2]

    def test_an_unknown_micro_operation_is_an_error(self):
        with pytest.raises(ValueError, match="increment"):
            _keys_to_read([["increment", "a", 1]])


class TestLockService:
    """A grant that was acknowledged counts as taken, by its revision against the deletion's."""

    @staticmethod
    def acquire(kvs, *, lost=False):
        """Acquire from a service that says "yours" at revision 40; `kvs` is what its key was at that revision."""
        client = object.__new__(LocksOfEtcd)
        client.options = SimpleNamespace(lock_service=True)
        client._held = {}
        asked = []

        async def call(method, request, _deadline=None):
            asked.append((method, request))
            return pb.LockResponse(header=pb.ResponseHeader(revision=40), key=b"/lock/k/1")

        async def look(method, request, _deadline):
            asked.append((method, request))
            if lost:
                raise Refused("unread", "the answer was lost")
            return pb.RangeResponse(kvs=kvs)

        client.call, client.look = call, look
        client.deadline = lambda: 0.0
        client._connections, client._at = [SimpleNamespace(member="m1")], 0

        async def lease(_deadline):
            return Lease(7, 10)

        client.session_lease = lease
        reply = asyncio.run(client.acquire("k"))
        assert asked[1][1].revision == 40, "the key is looked at as of the grant"
        return reply

    def test_a_key_that_was_deleted_after_the_grant_was_held(self):
        reply = self.acquire([pb.KeyValue(key=b"/lock/k/1", create_revision=33)])
        assert (reply.value, reply.version, reply.evidence) == (33, 40, None)

    def test_a_key_that_was_gone_at_the_grant_is_acknowledged_all_the_same(self):
        reply = self.acquire([])
        assert (reply.value, reply.version) == (None, 40)
        assert "at which the lock's key was gone already" in reply.evidence

    def test_a_grant_whose_token_was_not_read_is_a_grant(self):
        reply = self.acquire([], lost=True)
        assert (reply.value, reply.version) == (None, 40)
        assert "the token was not read" in reply.evidence

    def test_two_grants_of_which_one_was_for_nothing_are_a_violation(self):
        """The history that such a release makes: p1 learns that it holds, and p2 gets the lock before p1 is done."""
        events = [
            Event(0, 0, 1, "invoke", "acquire", "k", None, "n1"),
            Event(1, 10, 1, "ok", "acquire", "k", None, "n1", None, 40, None, 0),
            Event(2, 20, 2, "invoke", "acquire", "k", None, "n1"),
            Event(3, 30, 2, "ok", "acquire", "k", 34, "n1", None, 42, None, 2),
            Event(4, 40, 1, "invoke", "release", "k", None, "n1"),
            Event(5, 50, 1, "fail", "release", "k", None, "n1", None, 43, ["not-held", "answered"], 4),
        ]
        result = Linearizable(model="fenced-lock", per_key=True).check(History.of(events), Limits())
        assert result.verdict is Verdict.INVALID


def test_refusals_of_a_service_at_work_count_as_served():
    answered = {row.code for row in TABLE if row.answered}
    assert answered >= {"compacted", "lease-not-found", "nobody-elected", "not-elected"}
    assert not answered & {"no-leader", "not-connected", "too-many-requests", "timeout", "learner"}
