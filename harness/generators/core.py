"""What a generator is: a pure value that decides the next operation for one of the free threads.

A generator is asked (`next`) which operation to do now, and answers with a decision and with the generator to ask
the next time; it learns (`update`) how operations ended, and answers with the generator that knows it. Nothing is
changed in place, so a generator can be simulated, compared, kept and asked again. Randomness comes from a seed that a
generator got when it was made and is consumed only by operations that are really taken, never by being asked:
however often and at whatever moments a runner asks, the same seed gives the same stream of operations.

The algebra follows Jepsen's generators (jepsen.generator, "pure generators").

See docs/decisions/generators.md.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import msgspec

from quorate.harness.core.outcome import Broken, OutcomeError
from quorate.harness.history.event import NEMESIS, Event


class Invocation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is to be done: the function, the key it is done to (None: no key), and its argument."""

    f: str
    key: Any = None
    value: Any = None


class Offer(msgspec.Struct, frozen=True, gc=False):
    """A decision: this thread, which is free, is to do this now."""

    invocation: Invocation
    thread: int


class Pending(msgspec.Struct, frozen=True, gc=False):
    """A decision: nothing now. Ask again at `until_ns` (None: only an operation that ends can change the answer)."""

    until_ns: int | None = None


PENDING: Final = Pending()


class Context:
    """What a generator may look at, valid only during the call.

    `time_ns` counts from the run's start. `free` and `everyone` are bit sets of threads (bit i is thread i); clients
    are threads 0 to `clients` - 1 and the nemesis is thread `clients`. `cursor` is the thread that `pick` prefers;
    the one who asks moves it, so that free threads take turns. `processes[thread]` is the client process that the
    thread runs now.
    """

    __slots__ = ("clients", "cursor", "everyone", "free", "processes", "time_ns")

    def __init__(
        self,
        *,
        time_ns: int,
        free: int,
        everyone: int,
        processes: Sequence[int],
        clients: int,
        cursor: int = 0,
    ) -> None:
        self.time_ns = time_ns
        self.free = free
        self.everyone = everyone
        self.processes = processes
        self.clients = clients
        self.cursor = cursor

    def pick(self) -> int:
        """Return a free thread: the first at or after `cursor`, in a circle. There must be one."""
        later = self.free >> self.cursor
        if later:
            return self.cursor + (later & -later).bit_length() - 1
        return (self.free & -self.free).bit_length() - 1

    def restrict(self, threads: int) -> Context:
        """Return the same moment as seen by a generator that may use only these threads (a bit set)."""
        return Context(
            time_ns=self.time_ns,
            free=self.free & threads,
            everyone=self.everyone & threads,
            processes=self.processes,
            clients=self.clients,
            cursor=self.cursor,
        )

    def process(self, thread: int) -> int | str:
        """Return the process that the thread runs now."""
        return self.processes[thread] if thread < self.clients else NEMESIS

    def thread(self, process: int | str) -> int:
        """Return the thread that runs, or ran, the process: a retired process is replaced by its number + `clients`."""
        return process % self.clients if isinstance(process, int) else self.clients


class AbstractRecord(msgspec.StructMeta, abc.ABCMeta):
    """Metaclass of frozen records with abstract methods."""


class Generator(msgspec.Struct, metaclass=AbstractRecord, frozen=True, gc=False):
    """Base of all generators. A subclass is a frozen record of its state.

    Structs are made without the cycle collector (`gc=False`): a generator must not contain itself.
    """

    @abc.abstractmethod
    def next(self, ctx: Context) -> Step | None:
        """Decide for `ctx`, of which at least one thread is free; None: exhausted, now and for ever."""

    def update(self, ctx: Context, event: Event) -> Generator:
        """Return the generator that knows of this completion; the thread that ran it is not yet free in `ctx`."""
        del ctx, event
        return self


Step: TypeAlias = tuple[Offer | Pending, Generator]
Source: TypeAlias = Generator | Invocation | Sequence["Source"]


class GeneratorError(Broken):
    """A generator failed; the text names it, its state and the moment."""

    def __init__(self, text: str) -> None:
        super().__init__("generator", text)


def blame(generator: Any, ctx: Context, error: BaseException) -> GeneratorError:
    """Return the error that says which generator failed, in what state and when (one that is already blamed stays)."""
    if isinstance(error, GeneratorError):
        return error
    shown = 600
    state = repr(generator)
    if len(state) > shown:
        state = state[:shown] + "…"
    what = str(error) if isinstance(error, OutcomeError) else f"{type(error).__name__}: {error}"
    free = f"{ctx.free.bit_count()} of {ctx.everyone.bit_count()} threads free"
    return GeneratorError(f"{state} failed: {what} (at {ctx.time_ns / 1e9:.3f} s, {free})")


class Exhausted(Generator, frozen=True, gc=False):
    """Has nothing to do, ever."""

    def next(self, ctx: Context) -> Step | None:
        """Return None."""
        del ctx
        return None


EXHAUSTED: Final = Exhausted()


class Once(Generator, frozen=True, gc=False):
    """One invocation, one time; what a bare `Invocation` means wherever a generator is expected."""

    invocation: Invocation

    def next(self, ctx: Context) -> Step | None:
        """Offer it to a free thread."""
        return Offer(self.invocation, ctx.pick()), EXHAUSTED


class Sequence_(Generator, frozen=True, gc=False):  # noqa: N801 - the plain name is the protocol from collections
    """Generators one after the other; see `sequence`."""

    first: Generator
    rest: tuple[Generator, ...]

    def next(self, ctx: Context) -> Step | None:
        """Ask the first, and move to the next where it is exhausted."""
        current, rest = self.first, self.rest
        while (step := current.next(ctx)) is None:
            if not rest:
                return None
            current, rest = rest[0], rest[1:]
        return step[0], Sequence_(step[1], rest)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the first: the others have not begun."""
        first = self.first.update(ctx, event)
        return self if first is self.first else Sequence_(first, self.rest)


def generator(source: Source) -> Generator:
    """Return a generator for what may stand for one: an `Invocation` is done once, a list or tuple runs in turn."""
    if isinstance(source, Generator):
        return source
    if isinstance(source, Invocation):
        return Once(source)
    if isinstance(source, Sequence) and not isinstance(source, str):
        members = tuple(generator(member) for member in source)
        return Sequence_(members[0], members[1:]) if members else EXHAUSTED
    raise GeneratorError(f"{source!r} is not a generator, an Invocation, or a list of them")


def sequence(*sources: Source) -> Generator:
    """Run each until it is exhausted, then the next, without waiting for operations in flight (see `phases`)."""
    return generator(sources)


def soonest(one: int | None, other: int | None) -> int | None:
    """Return the earlier of two moments, where None is never."""
    if one is None:
        return other
    return one if other is None or one < other else other
