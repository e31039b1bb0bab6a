"""Node images built by the engine itself, from a registry's Debian: where mmdebstrap is missing, or cannot make them.

The same packages as `images` puts together without a registry. The engine pulls its own platform's base.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable
from typing import Final

import docker

from quorate.harness.cluster.docker import engine
from quorate.harness.core.outcome import Broken

BASE: Final = "debian:{suite}-slim"
_LINES_TOLD: Final = 6


def base_image(suite: str) -> str:
    """Return the image to start from: Debian's of the registry, or the one that QUORATE_BASE_IMAGE names."""
    return os.environ.get("QUORATE_BASE_IMAGE") or BASE.format(suite=suite)


def reachable(api: docker.APIClient, suite: str) -> str | None:
    """Return why the engine cannot have the base image, or None where it has it or its registry answers."""
    name = base_image(suite)
    try:
        with engine.translated(f"looking for {name}"):
            api.inspect_image(name)  # type: ignore[no-untyped-call]
    except Broken:
        try:
            with engine.translated(f"asking the registry for {name}"):
                api.inspect_distribution(name)  # type: ignore[no-untyped-call]
        except Broken as error:
            return error.text
    return None


def dockerfile(
    below: str, packages: Iterable[str], directories: Iterable[str], exclude: Iterable[str]
) -> str:
    """Return the recipe of one kind of image upon another."""
    patterns = "".join(f"path-exclude={pattern}\\n" for pattern in exclude)
    made = " ".join(directories)
    steps = [
        f"printf '{patterns}' > /etc/dpkg/dpkg.cfg.d/quorate",
        *([f"mkdir -p {made}"] if made else []),
        "apt-get update -q",
        "DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends " + " ".join(packages),
        "rm -rf /var/lib/apt/lists/* /var/cache/apt/*",
    ]
    return f"FROM {below}\nRUN {' && '.join(steps)}\n"


def build(api: docker.APIClient, tag: str, text: str) -> None:
    """Let the engine build it, with the network of its host; raises `Broken` with the last lines where it fails."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        header = tarfile.TarInfo("Dockerfile")
        header.size = len(text.encode())
        archive.addfile(header, io.BytesIO(text.encode()))
    context.seek(0)
    lines: list[str] = []
    with engine.translated(f"building {tag}"):
        for event in api.build(
            fileobj=context, custom_context=True, tag=tag, rm=True, decode=True, network_mode="host"
        ):
            lines += str(event.get("stream", "")).splitlines()
            if error := event.get("error"):
                last = " / ".join(filter(None, (line.strip() for line in lines[-_LINES_TOLD:])))
                raise Broken("no-image", f"the engine could not build {tag}: {error} ({last})")
