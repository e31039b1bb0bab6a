"""Brings home what the members' own logs hold, at the end of a run: it never costs a verdict, nor much time."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from quorate.harness.core.memberlog import FOLDER
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import System

log = logging.getLogger(__name__)

_KEEP_S: Final = 30.0


async def keep(system: System, node: Node, run: Path) -> None:
    """Copy one member's log into the run's folder, where its system can; what fails is logged."""
    if not system.keeps_logs:
        return
    folder = run / "nodes" / node.name / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        async with asyncio.timeout(_KEEP_S):
            await system.keep_log(node, folder)
    except (Broken, TimeoutError, OSError, ValueError) as error:
        log.info("no log of the member %s: %s", node.name, error or type(error).__name__)
