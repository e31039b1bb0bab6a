"""A server that has committed far more than it has applied refuses to take more."""

from __future__ import annotations

import asyncio

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.outcome import Refused, Unknown
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.etcd.protocol import pb

WAVES = 4
BEHIND = 5000  # etcd's maxGapBetweenApplyAndCommitIndex


def test_too_many_requests_is_a_certain_refusal(run):
    """One transaction whose compares cover many keys keeps the applier busy; thousands of writes queue behind it."""

    async def body():
        cluster = make_cluster("local", run_id=new_run_id(), count=1)
        await cluster.up()
        try:
            system = Etcd(SystemOptions(release="3.4.23"))
            await system.install(cluster)
            await system.start(cluster, cluster.nodes[0])
            await system.wait_ready(cluster, 20)
            clients = [await system.client(cluster.nodes, 30) for _ in range(4)]
            for start in range(0, 8000, 100):
                puts = [pb.PutRequest(key=b"/many/%d" % n, value=b"x") for n in range(start, start + 100)]
                txn = pb.TxnRequest(success=[pb.RequestOp(request_put=put) for put in puts])
                await clients[0].call("Txn", txn)
            everything = {"key": b"/many/", "range_end": b"/many0", "target": pb.Compare.CREATE}
            slow = pb.Compare(**everything, result=pb.Compare.GREATER, create_revision=0)
            heavy = pb.TxnRequest(compare=[slow] * 120, success=[
                pb.RequestOp(request_put=pb.PutRequest(key=b"/heavy", value=b"x"))
            ])  # fmt: skip
            refused: set[bytes] = set()

            async def write(key: bytes) -> None:
                try:
                    await clients[len(refused) % 4].call("Put", pb.PutRequest(key=key, value=b"x"))
                except Refused as error:
                    if error.code == "too-many-requests":
                        refused.add(key)
                except Unknown:
                    pass  # it timed out in the queue, which is another row

            for wave in range(WAVES):  # how busy it gets depends on the machine
                busy = [asyncio.create_task(clients[0].call("Txn", heavy)) for _ in range(2 + wave)]
                await asyncio.gather(
                    *(write(b"/w/%d/%d" % (wave, number)) for number in range(BEHIND + 1500))
                )
                await asyncio.gather(*busy, return_exceptions=True)
                if refused:
                    break
            assert refused
            await system.dump(cluster)  # waits until all that is committed has been applied
            stored = await clients[0].call(
                "Range", pb.RangeRequest(key=b"/w/", range_end=b"/w0", keys_only=True)
            )
            found = {kv.key for kv in stored.kvs}
            assert found
            assert not found & refused
            await asyncio.gather(*(client.close() for client in clients))
        finally:
            await cluster.down()

    run(body())
