"""Shell scripts for anomalies of etcd's watches: the changes in order of revision, a compaction, and the watch.

Which changes matter is unknown beforehand, so several scripts are given, the shortest first: with the last two
changes of the key that was not shown, with all changes of it, with everything up to the revision in question.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.evidence import Watched
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import History

_LAST: Final = (2, 3)
_CHANGES_MAX: Final = 400

Changes = Mapping[str, Any]


class Missing(msgspec.Struct, frozen=True):
    """A change that a watch from `start` on was not shown: its revision, and the names that it changed."""

    start: int
    revision: int
    names: tuple[str, ...]


def scripts(history: History, anomalies: Iterable[Anomaly], test: Test) -> Iterator[str]:
    """Give scripts that may show what the run showed, the shortest first; none where no watch omitted anything."""
    changes = changes_by_revision(history)
    missing = sorted(_missing(anomalies), key=lambda each: each.revision)
    for each in missing[:1]:
        before = [revision for revision in sorted(changes) if revision <= each.revision]
        if each.revision not in changes or len(before) > _CHANGES_MAX:
            continue
        own = [revision for revision in before if not changes[revision].keys().isdisjoint(each.names)]
        told: set[tuple[int, ...]] = set()
        for chosen in (*(own[-count:] for count in _LAST), own, before):
            if tuple(chosen) in told:
                continue
            told.add(tuple(chosen))
            for compacted in (True, False):
                yield script(
                    [changes[revision] for revision in chosen], each.names, test, compacted=compacted
                )


def changes_by_revision(history: History) -> dict[int, dict[str, Any]]:
    """Return what each revision changed, as all watches of the run saw it: None for a deletion."""
    found: dict[int, dict[str, Any]] = {}
    for event in history.events():
        if event.type != "ok" or event.f not in ("watch", "follow") or not isinstance(event.value, Mapping):
            continue
        for message in event.value.get("messages") or ():
            for name, value, revision, *_ in message[1]:
                found.setdefault(revision, {})[name] = value
    return found


def _missing(anomalies: Iterable[Anomaly]) -> Iterator[Missing]:
    for anomaly in anomalies:
        if isinstance(anomaly.detail, Watched):
            for revision, names in anomaly.detail.missing.items():
                yield Missing(revision, revision, tuple(names))


def script(changes: Sequence[Changes], names: Sequence[str], test: Test, *, compacted: bool) -> str:
    """Write the script. It exits with 1 if a change was not shown, with 0 if it was, with 2 if it could not try."""
    last = len(changes) + 1  # etcd begins at revision 1
    lines = [_HEAD.format(release=test.release or "", command=test.command())]
    lines += [
        f"txn {at} {shlex.quote(_request(change))}  # {_words(change)}"
        for at, change in enumerate(changes, 2)
    ]
    if compacted:
        lines.append(f'call kv/compaction \'{{"revision":"{last}"}}\' >/dev/null')
    lines.append(f"\nwatch_from={last} shown_after={last + 1}")
    lines.append(
        f"txn {last + 1} {shlex.quote(_request({'after': 0}))}  # by which the watch is seen to work"
    )
    lines.append(_WATCH)
    lines += [f"expect {_base64(name)} {last}  # {name}" for name in names]
    lines.append(_TAIL)
    return "\n".join(lines)


def _request(change: Changes) -> str:
    steps = [
        {"request_delete_range": {"key": _base64(name)}}
        if value is None
        else {"request_put": {"key": _base64(name), "value": _base64(str(value))}}
        for name, value in change.items()
    ]
    return msgspec.json.encode({"success": steps}).decode()


def _words(change: Changes) -> str:
    return ", ".join(
        f"delete {name}" if value is None else f"{name} = {value}" for name, value in change.items()
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_HEAD: Final = """\
#!/usr/bin/env bash
# Shows an anomaly of etcd {release} with one server and curl. Found by
#   {command}
# Exits with 1 if the anomaly was seen, 0 if not, 2 if it could not be tried. ETCD names the binary, PORT a free port.
set -uo pipefail
etcd=${{ETCD:-etcd}} port=${{PORT:-24790}}
url=http://127.0.0.1:$port
folder=$(mktemp -d)
"$etcd" --data-dir "$folder/data" --listen-client-urls "$url" --advertise-client-urls "$url" \\
  --listen-peer-urls "http://127.0.0.1:$((port + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((port + 1))" \\
  --initial-cluster "default=http://127.0.0.1:$((port + 1))" >"$folder/etcd.log" 2>&1 &
server=$!
trap 'kill -9 $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$folder"' EXIT
call() {{ curl -sS --fail --max-time 5 -X POST -d "$2" "$url/v3/$1" || exit 2; }}
# A change, which must be the revision returned.
txn() {{ call kv/txn "$2" | grep -q "\\"revision\\":\\"$1\\"" || {{ echo "no revision $1"; exit 2; }}; }}
for _ in $(seq 100); do
  curl -s --max-time 1 "$url/health" 2>/dev/null | grep -q true && break
  sleep 0.1
done
curl -s --max-time 1 "$url/health" 2>/dev/null | grep -q true || {{ echo "etcd did not start"; exit 2; }}
"""
_WATCH: Final = """
# Everything from "\\0" on, which is every key; the stream ends by the time given.
shown=$(curl -sN --max-time 3 -X POST "$url/v3/watch" \\
  -d "{\\"create_request\\":{\\"key\\":\\"AA==\\",\\"range_end\\":\\"AA==\\",\\"start_revision\\":\\"$watch_from\\"}}")
grep -q "\\"mod_revision\\":\\"$shown_after\\"" <<<"$shown" || { echo "the watch showed nothing: $shown"; exit 2; }
missing=0
expect() {
  grep -qE "\\"key\\":\\"$1\\"[^}]*\\"mod_revision\\":\\"$2\\"" <<<"$shown" && return
  missing=1
  echo "the watch from $watch_from showed revision $shown_after, but not the change of $(base64 -d <<<"$1") at $2"
}
"""
_TAIL: Final = """\
exit $missing
"""
