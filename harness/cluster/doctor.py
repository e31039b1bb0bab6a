"""What this machine can do for clusters and faults: tried, not guessed; each "no" with its reason and remedy.

Each probe is small, makes only what vanishes with it, and ends within a few seconds. Probes inside a network
namespace run in a fresh one, as root or in a user namespace of this user's.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import msgspec

from quorate.harness.cluster import mounting
from quorate.harness.cluster.identity import new_run_id
from quorate.harness.cluster.local import rootless
from quorate.harness.cluster.volumes import OPTIONS
from quorate.harness.core.finding import Finding
from quorate.harness.core.node import Cluster
from quorate.harness.core.outcome import Broken

_REGISTRY_S = 10

_TIMEOUT_S = 10.0
_DISK_BYTES = 16 << 20
_ATTACH = (
    "import ctypes,os,signal,subprocess,sys;"
    "child=subprocess.Popen(['sleep','5']);"
    "libc=ctypes.CDLL(None,use_errno=True);"
    "failed=libc.ptrace(0x4206,child.pid,0,0);"  # PTRACE_SEIZE: attaches without stopping
    "error=os.strerror(ctypes.get_errno());child.kill();child.wait();"
    "sys.exit(error if failed else 0)"
)


def probe() -> list[Finding]:
    """Try everything, in a second or two; never raises."""
    return [_safely(one) for one in PROBES]


def root() -> Finding:
    """Whether this process is root."""
    user = os.geteuid()
    return Finding(
        "root",
        user == 0,
        "" if user == 0 else f"user {user}",
        "not needed for local clusters; others work slower",
    )


def namespaces() -> Finding:
    """Whether network namespaces joined by a bridge can be made as root."""
    name = "network namespaces as root"
    if os.geteuid() != 0:
        return Finding(name, ok=False, reason="not root", mend="see user namespaces")
    reason = _trials()["wires"]
    return Finding(name, not reason, reason, "modprobe -a veth bridge; and CAP_SYS_ADMIN")


def wires() -> Finding:
    """Whether a local cluster's network can be made by this process, in a user namespace if need be."""
    reason = _trials()["wires"]
    return Finding(
        "local clusters",
        not reason,
        reason,
        "modprobe -a veth bridge" if os.geteuid() == 0 else rootless.MEND,
    )


def user_namespaces() -> Finding:
    """Whether an ordinary user can run local clusters; root tries it too, for the users it serves."""
    reason = rootless.obstacle()
    return Finding("local clusters without root", reason is None, reason or "", rootless.MEND)


def engine() -> Finding:
    """Whether a Docker engine answers."""
    from quorate.harness.cluster.docker import engine as docker_engine  # noqa: PLC0415 - loads the SDK

    try:
        version = docker_engine.connect(timeout_s=5).version(api_version=False)["Version"]
    except Broken as broken:
        reason, _, mend = broken.text.partition("): ")
        return Finding("Docker engine", ok=False, reason=f"{reason})", mend=mend)
    return Finding("Docker engine", ok=True, reason=f"version {version}")


def compose() -> Finding:
    """Whether there is a program that reads compose files, for clusters that somebody else wrote."""
    from quorate.harness.cluster.compose import program  # noqa: PLC0415 - loads what talks to programs

    words = program.installed()
    reason = program.MISSING if words is None else " ".join(words)
    return Finding("Docker Compose (--cluster compose)", words is not None, reason, program.MEND)


def enterable_containers() -> Finding:
    """Whether containers can be entered from here, or everything goes through the engine: tried with one."""
    name = "containers entered from this host"
    mend = "run as root on the engine's own machine; until then commands go through the engine: slower, same results"
    if os.geteuid() != 0:
        return Finding(name, ok=False, reason="not root", mend=mend)
    from quorate.harness.cluster.docker import images  # noqa: PLC0415 - loads the SDK
    from quorate.harness.cluster.docker.cluster import DockerCluster  # noqa: PLC0415

    try:
        image = next((image.tag for image in images.list_images() if image.built), None)
        if image is None:
            return Finding(name, ok=False, reason="no node image to try it with", mend="quorate images build")
        netns = asyncio.run(_one_node(DockerCluster(new_run_id(), 1, image=image)))
    except Broken as broken:
        return Finding(name, ok=False, reason=broken.text.partition(": ")[0], mend=mend)
    return Finding(name, netns is not None, "" if netns else "the engine's processes are not seen here", mend)


async def _one_node(cluster: Cluster) -> str | None:
    await cluster.up()
    try:
        return cluster.nodes[0].netns
    finally:
        await cluster.down()


def image(name: str) -> Finding:
    """Whether the engine has an image."""
    from quorate.harness.cluster.docker import engine as docker_engine  # noqa: PLC0415 - loads the SDK

    try:
        with docker_engine.translated(f"looking for the image {name}"):
            docker_engine.connect(timeout_s=5).inspect_image(name)  # type: ignore[no-untyped-call]
    except Broken:
        return Finding(
            f"image {name}", ok=False, reason="the engine does not have it", mend=f"docker pull {name}"
        )
    return Finding(f"image {name}", ok=True)


def node_image(kind: str) -> Finding:
    """Whether the node image of a kind is there or can be built."""
    from quorate.harness.cluster.docker import images  # noqa: PLC0415 - loads the SDK

    try:
        if any(one.kind == kind and one.built for one in images.list_images()):
            return Finding("node images", ok=True)
    except Broken as broken:
        return Finding("node images", ok=False, reason=broken.text)
    return image_builder()


def java() -> Finding:
    """Whether Java is on this host, for servers on the JVM in local clusters."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java") or (home and shutil.which("java", path=f"{home}/bin"))
    return Finding("java", bool(found), found or "not found", "apt-get install default-jre-headless")


def image_builder() -> Finding:
    """Whether node images can be built."""
    from quorate.harness.cluster.docker import dockerfiles, images  # noqa: PLC0415 - loads the SDK
    from quorate.harness.cluster.docker import engine as docker_engine  # noqa: PLC0415

    mend = "apt-get install mmdebstrap"
    try:
        api = docker_engine.connect(timeout_s=_REGISTRY_S)
        if not images.by_engine(api):
            return Finding("node images", ok=True)
        why = dockerfiles.reachable(api, images.recipes().suite)
        system, arch = docker_engine.platform(api)
    except Broken as broken:
        found = shutil.which("mmdebstrap")
        return Finding("node images", found is not None, "" if found else broken.text, mend)
    lacking = f"mmdebstrap is missing, or not for the engine's {system}/{arch}"
    return Finding("node images", why is None, "" if why is None else f"{lacking}, and {why}", mend)


def cuts() -> Finding:
    """Whether the kernel takes the rule of a cut in a namespace."""
    reason = _trials()["cuts"]
    return Finding("packet filter (nf_tables)", not reason, reason, "modprobe nf_tables")


def losses() -> Finding:
    """Whether the kernel loses packets by chance."""
    reason = _trials()["losses"]
    return Finding("packets lost by chance (numgen)", not reason, reason, "modprobe nft_numgen")


def packet_queue() -> Finding:
    """Whether packets can be held back in user space (delay, reorder, corrupt without netem)."""
    reason = _trials()["queues"]
    mend = "modprobe nft_queue; without it packet.mode=lossy works"
    return Finding("packet queue (NFQUEUE)", not reason, reason, mend)


def netem() -> Finding:
    """Whether the kernel can delay packets by itself."""
    reason = _in_namespace("ip link set lo up && tc qdisc add dev lo root netem delay 1ms")
    return Finding("netem", not reason, reason, "modprobe sch_netem; without it the packet queue is used")


def strace() -> Finding:
    """Whether strace is installed: it meddles with the system calls of a server."""
    found = shutil.which("strace")
    return Finding("strace", found is not None, "" if found else "not found", "apt-get install strace")


def ptrace() -> Finding:
    """Whether one process may attach to another that is its child's age: what clock skew needs."""
    reason = _run([sys.executable, "-c", _ATTACH])
    return Finding(
        "attaching to servers (clock skew)", not reason, reason, "sysctl kernel.yama.ptrace_scope=0, or root"
    )


def file_systems() -> Finding:
    """Whether a node's data can have a separate file system: what power cuts need."""
    name, mend = "file systems of nodes' own (power cuts)", "run as root; apt-get install e2fsprogs"
    if os.geteuid() != 0 or rootless.inside():
        return Finding(name, ok=False, reason="not root", mend=mend)
    with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
        image = Path(folder) / "disk"
        with image.open("wb") as file:
            file.truncate(_DISK_BYTES)
        reason = _run(["mkfs.ext4", "-q", "-F", str(image)])
        if reason:
            return Finding(name, ok=False, reason=reason, mend=mend)
        (Path(folder) / "there").mkdir()
        # In separate mounts, which end with it: nothing is left whatever happens.
        inside = shlex.join(mounting.command("self", "mount", str(image), f"{folder}/there", OPTIONS))
        reason = _run(["unshare", "--mount", "--", "sh", "-c", f"{inside} && umount {folder}/there"])
    return Finding(name, not reason, reason, "a kernel with ext4 and loop devices, CAP_SYS_ADMIN")


PROBES: tuple[Callable[[], Finding], ...] = (
    root,
    namespaces,
    user_namespaces,
    engine,
    compose,
    enterable_containers,
    image_builder,
    cuts,
    losses,
    packet_queue,
    netem,
    strace,
    ptrace,
    file_systems,
)


def _safely(one: Callable[[], Finding]) -> Finding:
    try:
        found = one()
        return Finding(found.name, ok=True, reason=found.reason) if found.ok else found
    except (OSError, Broken) as error:
        return Finding(one.__name__.replace("_", " "), ok=False, reason=f"the probe itself failed: {error}")


@cache
def _trials() -> dict[str, str]:
    """Return for each of `trials.TRIALS` why it failed in a fresh network namespace, empty if it did not."""
    with tempfile.NamedTemporaryFile(prefix="quorate-") as answer:
        command = shlex.join([sys.executable, "-m", "quorate.harness.cluster.trials"])
        reason = _in_namespace(f"{command} >{shlex.quote(answer.name)}")
        if not reason:
            return msgspec.json.decode(Path(answer.name).read_bytes(), type=dict[str, str])
    return dict.fromkeys(("wires", "cuts", "losses", "queues"), reason)


def _in_namespace(script: str) -> str:
    """Run a script in a fresh network namespace; return why it failed, empty if it did not."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return _run(["unshare", *user, "--net", "--", "sh", "-c", script])


def _run(command: Sequence[str]) -> str:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=environment
        )
    except FileNotFoundError:
        return f"{command[0]} is missing"
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {_TIMEOUT_S:g} s"
    if done.returncode == 0:
        return ""
    return " ".join(done.stderr.split())[:200] or f"code {done.returncode}"
