"""Settings: what `--set NAME=VALUE` may change in a part, declared as fields of a frozen struct.

    class Settings(msgspec.Struct, frozen=True):
        share: Annotated[float, about("share of operations that read", ge=0, le=1)] = 0.5
        delay: Annotated[Seconds, about("of each answer", le=10, unset="drawn")] | None = None

Systems, workloads, faults, gates and the run itself use this one mechanism: a field says type, limits, meaning and
default once, and from it come what `quorate list` prints, what `--set` accepts, and the sentence where it does not.
Values are text: `yes` or `no` (`true`, `false`), numbers, durations (`500ms`), words, and words with commas between.

See docs/decisions/contracts.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

from quorate.harness.core.duration import exact_duration, exact_number, parse_duration
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.registry import did_you_mean

S = TypeVar("S", bound=msgspec.Struct)
_TRUTHS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_DURATION: Final = "duration"

# Durations, given as `500ms`, and kept and limited in the unit that the type names.
Seconds: TypeAlias = Annotated[float, msgspec.Meta(extra={"kind": _DURATION})]
WholeSeconds: TypeAlias = Annotated[int, msgspec.Meta(ge=1, extra={"kind": _DURATION})]
Milliseconds: TypeAlias = Annotated[int, msgspec.Meta(ge=1, extra={"kind": _DURATION, "unit_s": 1e-3})]


class NoSettings(msgspec.Struct, frozen=True):
    """Of a part that has none."""


def about(
    text: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    choices: Iterable[str] | None = None,
    unset: str = "",
) -> msgspec.Meta:
    """Describe a field: its meaning, limits, the words it takes, and what holds where it is not set.

    `choices` may map each word to a line on it. `unset` is for a default of None: "drawn", "the server's own".
    """
    extra: dict[str, object] = {"unset": unset} if unset else {}
    if choices is not None:
        extra["choices"] = dict(choices) if isinstance(choices, Mapping) else dict.fromkeys(choices, "")
    limits: Any = {"ge": ge, "gt": gt, "le": le}
    return msgspec.Meta(description=text, extra=extra, **limits)


class Setting(msgspec.Struct, frozen=True):
    """One declared setting, by the name that `--set` takes. Limits of durations are in their unit."""

    name: str
    field: str
    type: Any
    default: Any
    text: str = ""
    unset: str = ""
    kind: str = ""
    unit_s: float = 1.0
    choices: Mapping[str, str] = {}
    ge: float | None = None
    gt: float | None = None
    le: float | None = None

    @property
    def described(self) -> str:
        """Meaning, words and default, as `quorate list` prints them."""
        words = "; ".join(f"{word} - {line}" if line else word for word, line in self.choices.items())
        return ": ".join(filter(None, (self.text, words))) + f" [{self.shown(self.default)}]"

    def shown(self, value: Any) -> str:
        """Return a value as `--set` takes it; of None, what holds then."""
        match value:
            case None:
                return self.unset or "not set"
            case bool():
                return "yes" if value else "no"
            case tuple():
                return ",".join(value)
            case int() | float() if self.kind == _DURATION:
                return f"{'-' if value < 0 else ''}{exact_duration(abs(value) * self.unit_s)}"
            case float():
                return f"{value:g}"
            case _:
                return str(value)

    def read(self, text: str) -> Any:
        """Return the value that a text gives; raise `UsageError` that says what may be given."""
        try:
            return self._limited(self._read(text))
        except ValueError as error:
            raise UsageError(f"--set {self.name}={text}: {error}") from error

    def _read(self, text: str) -> Any:
        if self.type is bool:
            if (truth := _TRUTHS.get(text.lower())) is None:
                raise ValueError("write yes or no")
            return truth
        if self.kind == _DURATION:
            below = text.startswith("-")
            length = parse_duration(text.removeprefix("-")) / self.unit_s
            length = round(length) if self.type is int else length
            return -length if below else length
        if self.type in (int, float):
            try:
                return msgspec.convert(text, self.type, strict=False)
            except msgspec.ValidationError as error:
                raise ValueError(self._wanted()) from error
        if get_origin(self.type) is tuple:
            words = tuple(word.strip() for word in text.split(",") if word.strip())
            if not words:
                raise ValueError(f"write one or several of {', '.join(self.choices)}")
            return tuple(map(self._known, words))
        return self._known(text)

    def _known(self, word: str) -> str:
        if self.choices and word not in self.choices:
            hint = did_you_mean(word, list(self.choices))
            raise ValueError(f"unknown{hint} (known: {', '.join(self.choices)})")
        return word

    def _limited(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        low = (self.ge is None or value >= self.ge) and (self.gt is None or value > self.gt)
        if not (math.isfinite(value) and low and (self.le is None or value <= self.le)):
            raise ValueError(self._wanted())
        return value

    def _wanted(self) -> str:
        noun = (
            "a duration" if self.kind == _DURATION else "a whole number" if self.type is int else "a number"
        )
        least, above, most = (self._limit(one) for one in (self.ge, self.gt, self.le))
        if least and most:
            return f"give {noun} from {least} to {most}"
        words = [f"of {least} or more"] if least else [f"of more than {above}"] if above else []
        words += [f"{'and ' if words else 'of '}at most {most}"] if most else []
        return " ".join([f"give {noun}", *words])

    def _limit(self, value: float | None) -> str:
        if value is None:
            return ""
        return exact_duration(value * self.unit_s) if self.kind == _DURATION else exact_number(value)


def declared(settings: type[msgspec.Struct], prefix: str = "") -> list[Setting]:
    """Return the settings that a struct declares; every field needs a default. `prefix` goes before each name."""
    return [
        _setting(prefix + one.encode_name, one.name, one.type, one.default)
        for one in msgspec.structs.fields(settings)
    ]


def described(settings: type[msgspec.Struct], prefix: str = "") -> dict[str, str]:
    """Return name to description of every setting, with limits in words and the default."""
    return {one.name: one.described for one in declared(settings, prefix)}


def read(settings: type[S], given: Mapping[str, str], *, prefix: str = "") -> S:
    """Return the struct with what was given of its settings; other names in `given` are left alone.

    Raises `UsageError` for a value that cannot be, and for values that contradict each other (a `ValueError` of the
    struct's `__post_init__`).
    """
    values = {one.field: one.read(given[one.name]) for one in declared(settings, prefix) if one.name in given}
    try:
        return settings(**values)
    except ValueError as error:
        raise UsageError(f"--set {prefix}{error}") from error


def _setting(name: str, field: str, hint: Any, default: Any) -> Setting:
    kind, metas = _flattened(hint)
    found: dict[str, Any] = {}
    if get_origin(kind) is Literal:
        kind, found = str, {"choices": dict.fromkeys(get_args(kind), "")}
    for meta in metas:  # what stands further out goes over what a named type says
        found |= {key: getattr(meta, key) for key in ("ge", "gt", "le") if getattr(meta, key) is not None}
        found |= {"text": meta.description} if meta.description else {}
        found |= meta.extra or {}
    return Setting(name, field, kind, default, **found)


def _flattened(hint: Any) -> tuple[Any, list[msgspec.Meta]]:
    """Return the type of a value that is given, and all that is said of it, the innermost first."""
    if get_origin(hint) is Annotated:
        kind, metas = _flattened(get_args(hint)[0])
        return kind, metas + [one for one in hint.__metadata__ if isinstance(one, msgspec.Meta)]
    if get_origin(hint) in (Union, UnionType):
        return _flattened(next(one for one in get_args(hint) if one is not NoneType))
    return hint, []
