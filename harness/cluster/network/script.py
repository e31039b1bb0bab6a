"""Rules as text for the program `nft`, for nodes whose namespaces this process cannot enter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quorate.harness.cluster.network.rules import CUT_TABLE, PARTS, Drop

PROBE_TABLE: Final = "quorate_probe"
_PROBE_PRIORITY: Final = -298  # behind cuts and losses
_COUNTER: Final = "dropped"


def put(drop: Drop) -> str:
    """Return the transaction that makes the table, whatever was there before."""
    table = f"inet {drop.table}"
    by_chance = f"numgen random mod {PARTS} < {drop.parts} " if drop.parts is not None else ""
    ends = [f"th {end} {port} " for port in drop.ports for end in ("sport", "dport")] or [""]
    dropping = "".join(
        f"    ip saddr @sources {end}{by_chance}counter name {_COUNTER} drop\n" for end in ends
    )
    elements = f" elements = {{ {', '.join(drop.sources)} }};" if drop.sources else ""
    return (
        f"{remove(drop.table)}table {table} {{\n"
        f"  counter {_COUNTER} {{ }}\n"
        f"  set sources {{ type ipv4_addr;{elements} }}\n"
        f"  chain input {{\n"
        f"    type filter hook input priority {drop.priority}; policy accept;\n"
        f"{dropping}"
        f"  }}\n"
        f"}}\n"
    )


def remove(table: str) -> str:
    """Return the transaction that removes the table: adding it first makes that right where there is none."""
    return f"add table inet {table}\ndelete table inet {table}\n"


def count(table: str, *, reset: bool) -> str:
    """Return the question for the table's counter; the answer holds `packets N`."""
    return f"{'reset' if reset else 'list'} counter inet {table} {_COUNTER}\n"


def count_probes(sources: Mapping[str, str], port: int) -> str:
    """Return the transaction that counts datagrams to `port` by sender: counter name to address.

    It stands behind the cut, so that only what survived is counted; a counted probe is dropped, lest an answer be
    sent to it.
    """
    counters = "".join(f"  counter {name} {{ }}\n" for name in sources)
    rules = "".join(
        f"    ip saddr {address} udp dport {port} counter name {name} drop\n"
        for name, address in sources.items()
    )
    return (
        f"{remove(PROBE_TABLE)}table inet {PROBE_TABLE} {{\n{counters}"
        f"  chain input {{\n"
        f"    type filter hook input priority {_PROBE_PRIORITY}; policy accept;\n{rules}"
        f"  }}\n"
        f"}}\n"
    )


def list_probes() -> str:
    """Return the question for the counters of probes."""
    return f"list counters table inet {PROBE_TABLE}\n"


# A healed cut leaves its empty table standing, for the next cut is faster so: at the end it may go.
FORGET: Final = "; ".join(f"nft delete table inet {table} 2>/dev/null" for table in (CUT_TABLE, PROBE_TABLE))
