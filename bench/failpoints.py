"""Which of etcd's failpoints can be made to act here: each by itself on three real servers under load.

Run as root: python bench/failpoints.py [RELEASE [ACTION [NAME...]]], such as 3.6.5+failpoints panic raftBeforeSave
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from random import Random

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.fault import Scene, make
from quorate.harness.core.outcome import Broken, OutcomeError
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.etcd import Etcd

SETTINGS = {"snapshot_count": "50", "catchup_entries": "50", "compaction_batch": "10"}
WRITERS = 4


async def load(scene: Scene, number: int) -> None:
    client = await scene.system.client(list(scene.cluster.nodes), 1.0)
    value = 0
    while True:
        value += 1
        with contextlib.suppress(OutcomeError):
            await client.write(f"k{number}", value)  # type: ignore[attr-defined]
            await client.read(f"k{number}")  # type: ignore[attr-defined]
        await asyncio.sleep(0.005)


async def one(scene: Scene, point: str, action: str, rng: Random) -> str:
    fault = make("failpoint", {"failpoint.name": point, "failpoint.action": action})
    begun = time.monotonic()
    try:
        plan = await fault.plan(scene, "any", rng)
    except Broken as error:
        return f"not tried: {error}"
    try:
        await fault.inject(scene, plan)
        proof = await fault.prove(scene, plan)
    finally:
        await fault.heal(scene, plan)
    healed = await fault.prove_healed(scene, plan)
    await scene.system.wait_ready(scene.cluster, 30)
    took = time.monotonic() - begun
    word = "acted" if proof.holds else "NOT"
    return f"{word:6}{'' if healed.holds else 'NOT HEALED '}{took:5.1f} s  {proof.text}"


async def main(release: str, action: str, names: list[str]) -> None:
    cluster = make_cluster("local", run_id=new_run_id(), count=3)
    system = Etcd(SystemOptions(release=release, settings=SETTINGS))
    scene = Scene(cluster, system)
    await cluster.up()
    try:
        await system.install(cluster)
        await asyncio.gather(*(system.start(cluster, node) for node in cluster.nodes))
        await system.wait_ready(cluster, 30)
        writers = [asyncio.create_task(load(scene, number)) for number in range(WRITERS)]
        points = await system.failpoints.points(cluster.nodes[0])
        for point in points:
            if names and point.name not in names:
                continue
            print(f"{point.name:42}{await one(scene, point.name, action, Random(7))}", flush=True)
        for writer in writers:
            writer.cancel()
        await asyncio.wait(writers)
    finally:
        await system.close()
        await cluster.down()


if __name__ == "__main__":
    words = sys.argv[1:] or ["3.6.5+failpoints"]
    asyncio.run(main(words[0], words[1] if len(words) > 1 else "panic", words[2:]))
