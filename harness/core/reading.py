"""Reading a record that may be damaged: each field, and each entry of a list, costs only itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from quorate.harness.core import safely, store
from quorate.harness.core.evidence import (
    Base,
    Contradiction,
    Crash,
    Cycle,
    Divergence,
    Evidence,
    Facts,
    Holds,
    Listed,
    ListStory,
    Missed,
    SessionOrder,
    Unexplained,
    Watched,
    WatchStory,
)
from quorate.harness.core.results import Results
from quorate.harness.core.verdict import Anomaly, Result

S = TypeVar("S", bound=msgspec.Struct)
# A record beyond this is damaged or hostile; reading it would take minutes.
_JSON_BYTES_MAX: Final = 256 << 20
# Evidence that does not name its kind, by the first of these fields that it has.
_KINDS: Final[Mapping[str, type[Base]]] = {
    "cycle": Cycle,
    "transactions": Cycle,
    "watch": Watched,
    "missing": Watched,
    "at": Watched,
    "list": Listed,
    "intervals": Holds,
    "marks": Holds,
    "order": SessionOrder,
    "explained": Unexplained,
    "elements": Contradiction,
    "minimal": Contradiction,
    "lines": Crash,
    "position": Divergence,
    "seen_s": Missed,
}


def record(source: Mapping[str, Any], kind: type[S], problems: list[str], name: str) -> S:
    """Return the record; what is damaged keeps its default, and a sentence in `problems` says so.

    `name` is what those sentences call the source: its file.
    """
    found = {}
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        value = source.get(field.encode_name)
        if value is None:
            continue
        hint = hints[field.name]
        if get_origin(hint) is Sequence:
            found[field.name] = _entries(value, field.encode_name, get_args(hint)[0], problems, name)
            continue
        try:
            found[field.name] = msgspec.convert(value, hint, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(
                f'"{field.encode_name}" in {name} is not what it should be and is left out: {error}'
            )
    return kind(**found)


def results(folder: Path) -> Results:
    """Return what a stored run is known by; raise `Broken` where its file is missing or is not an object."""
    return record(store.read_json(folder, store.RESULTS), Results, [], store.RESULTS)


def _entries(value: Any, field: str, kind: Any, problems: list[str], name: str) -> list[Any]:
    if not isinstance(value, list):
        problems.append(f'"{field}" in {name} is not a list and is ignored')
        return []
    found = []
    for number, item in enumerate(value):
        try:
            found.append(msgspec.convert(_opened(item, kind, problems, name), kind, strict=False))
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f'entry {number} of "{field}" in {name} is left out: {error}')
    return found


def _opened(item: Any, kind: Any, problems: list[str], name: str) -> Any:
    """Read what stands inside an entry by itself, so that its damage does not cost the entry."""
    if kind is Result and isinstance(item, Mapping) and "anomalies" in item:
        return {**item, "anomalies": _entries(item["anomalies"], "anomalies", Anomaly, problems, name)}
    if kind is Anomaly and isinstance(item, Mapping) and "detail" in item:
        return {**item, "detail": evidence(item["detail"], problems, name)}
    return item


def evidence(plain: Any, problems: list[str], name: str) -> Evidence:
    """Return the evidence of an anomaly; where it does not name its kind, as in early runs, its fields do.

    What no field of the kind takes is kept as facts.
    """
    if not isinstance(plain, Mapping):
        problems.append(f'"detail" of an anomaly in {name} is not an object and is ignored')
        return Facts()
    tag = plain.get("kind")
    kind = next((each for each in get_args(Evidence) if each.__struct_config__.tag == tag), None)
    kind = kind or next((each for field, each in _KINDS.items() if field in plain), Facts)
    known = {"kind", *(field.encode_name for field in msgspec.structs.fields(kind))}
    source = {key: value for key, value in plain.items() if key in known}
    for field, story in (("watch", WatchStory), ("list", ListStory)):
        if isinstance(source.get(field), Mapping):
            source[field] = record(source[field], story, problems, name)
    rest = {str(key): value for key, value in plain.items() if key not in known}
    found: Evidence = record(source, kind, problems, name)
    return msgspec.structs.replace(found, facts={**found.facts, **rest}) if rest else found


def parsed(text: bytes | str) -> Any:
    """Parse JSON as Python writes it; numbers that no float holds become None. Raises `ValueError`."""
    return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)


def _finite(text: str) -> float | None:
    """Numbers too large for a float, like NaN, stand for nothing known."""
    value = float(text)
    return value if math.isfinite(value) else None


def read_object(path: Path, problems: list[str]) -> dict[str, Any]:
    """Read a JSON object; an empty one and a sentence in `problems` where that cannot be."""
    try:
        content = parsed(safely.contents(path, _JSON_BYTES_MAX))
    except FileNotFoundError:
        problems.append(f"{path.name} is not there: the run did not come so far, or the file was removed")
        return {}
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path.name} cannot be read: {error}")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path.name} does not hold an object")
        return {}
    return content
