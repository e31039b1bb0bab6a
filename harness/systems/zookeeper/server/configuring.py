"""ZooKeeper's configuration files: zoo.cfg with a fixed ensemble, or with one that can change (from 3.5 on)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quorate.harness.core.node import Node
from quorate.harness.systems.zookeeper.client.access import PORT
from quorate.harness.systems.zookeeper.operations.ensemble import Ensemble, address_of, number_of
from quorate.harness.systems.zookeeper.server import securing
from quorate.harness.systems.zookeeper.server.settings import ZooKeeperSettings

# 3.4 and 3.5 log by log4j, 3.6 and 3.7 by log4j or reload4j, 3.8 and later by logback.
_LOG4J: Final = """\
log4j.rootLogger=INFO, OUT
log4j.appender.OUT=org.apache.log4j.ConsoleAppender
log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
log4j.appender.OUT.layout.ConversionPattern=%d{ISO8601} [%t] %-5p %c{1} - %m%n
"""
_LOGBACK: Final = """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} [%t] %-5p %c{1} - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""


def first_files(nodes: Sequence[Node], node: Node, settings: ZooKeeperSettings) -> dict[str, str]:
    """Return what a node needs to be one of these for ever, by path below its directory."""
    return {
        "conf/zoo.cfg": configuration(nodes, node, settings),
        "conf/log4j.properties": _LOG4J,
        "conf/logback.xml": _LOGBACK,
        **identity(nodes, node),
    }


def identity(nodes: Sequence[Node], node: Node) -> dict[str, str]:
    """Return the file that gives a server its number; emptied disks lack it."""
    return {"data/myid": f"{number_of(nodes, node)}\n"}


def dynamic_files(node: Node, ensemble: Ensemble, settings: ZooKeeperSettings) -> dict[str, str]:
    """Return the configuration of a server that begins with this ensemble, and follows its changes.

    The ensemble is in a separate file, which servers write anew with each version, and so are the clients' addresses.
    """
    lines = [
        *_common(node, settings),
        "reconfigEnabled=true",
        "standaloneEnabled=false",
        f"dynamicConfigFile={node.directory}/conf/zoo.cfg.dynamic",
    ]
    return {
        "conf/zoo.cfg": _text(lines),
        "conf/zoo.cfg.dynamic": _text(ensemble.lines(plain=not settings.tls)),
    }


def configuration(nodes: Sequence[Node], node: Node, settings: ZooKeeperSettings) -> str:
    """Return the zoo.cfg of one node; a cluster of one is standalone."""
    lines = _common(node, settings)
    if not settings.tls:
        lines += [f"clientPort={PORT}", f"clientPortAddress={node.address}"]
    if len(nodes) > 1:
        lines += [f"server.{number}={address_of(other)}" for number, other in enumerate(nodes, start=1)]
    return _text(lines)


def _common(node: Node, settings: ZooKeeperSettings) -> list[str]:
    lines = [
        f"tickTime={settings.tick_ms}",
        f"initLimit={settings.init_limit}",
        f"syncLimit={settings.sync_limit}",
        f"dataDir={node.directory}/data",
        "maxClientCnxns=0",
        "maxSessionTimeout=60000",
        "4lw.commands.whitelist=*",
    ]
    if not settings.force_sync:
        lines.append("forceSync=no")
    if settings.enforce_quota:
        lines.append("enforceQuota=true")
    if settings.tls:
        lines += securing.tls_lines(node)
    return lines


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
