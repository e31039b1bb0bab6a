"""Several workloads in one run: each has its own clients and keys, and its guarantees see only its own events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from quorate.harness.core.outcome import Reply
from quorate.harness.core.verdict import Checker, Limits, Result
from quorate.harness.core.workload import Workload
from quorate.harness.generators import Generator, Invocation, mapped, phases, reserve
from quorate.harness.history import Event, History


def side_by_side(workloads: Sequence[tuple[Workload, int]]) -> Workload:
    """Return one workload that is all of them; each gets as many threads as its number says.

    In the history and in the service, functions and keys carry the workload's name (`register/read`, `register/k0`),
    so that neither the service nor a checker can mix them up; the workload itself sees its own names, in what it
    performs as in the completions that it sees. A single workload is returned as it is.
    """
    if len(workloads) == 1:
        return workloads[0][0]
    performs = {workload.name: workload.perform for workload, _ in workloads}

    async def perform(client: Any, invocation: Invocation) -> Reply:
        name, _, function = invocation.f.partition("/")
        key = None if invocation.key == name else str(invocation.key).removeprefix(f"{name}/")
        return await performs[name](_Prefixed(client, name), Invocation(function, key, invocation.value))

    finals = [_renamed(workload.name, workload.final) for workload, _ in workloads if workload.final]
    return Workload(
        name="+".join(workload.name for workload, _ in workloads),
        needs=tuple(need for workload, _ in workloads for need in workload.needs),
        operations=reserve(*((threads, _renamed(each.name, each.operations)) for each, threads in workloads)),
        perform=perform,
        final=phases(*finals) if finals else None,
        must_hold=tuple(
            _Own(workload.name, checker) for workload, _ in workloads for checker in workload.must_hold
        ),
        model=None,
        functions=tuple(f"{workload.name}/{f}" for workload, _ in workloads for f in workload.functions),
        kept_alive=any(workload.kept_alive for workload, _ in workloads),
    )


class _Prefixed:
    """A client whose keys carry a workload's name on their way to the service."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Reply]]:
        """Return the capability's method, all of which take the key first."""
        call = getattr(self._client, method)
        return lambda key, *rest: call(f"{self._name}/{key}", *rest)

    async def transact(self, micro: Sequence[Sequence[Any]]) -> Reply:
        """Run a transaction: its keys are within the micro-operations, on the way there and back."""
        prefix = f"{self._name}/"
        sent = [[function, prefix + str(key), value] for function, key, value in micro]
        reply: Reply = await self._client.transact(sent)
        asked = [key for _, key, _ in micro]
        value = [[function, key, got] for (function, _, got), key in zip(reply.value, asked, strict=True)]
        return msgspec.structs.replace(reply, value=value)


def _renamed(name: str, source: Generator) -> Generator:
    def rename(invocation: Invocation) -> Invocation:
        key = f"{name}/{invocation.key}" if invocation.key is not None else name
        return Invocation(f"{name}/{invocation.f}", key, invocation.value)

    return mapped(rename, source, lambda event: _own(name, event))


def _own(name: str, event: Event) -> Event:
    """Let a workload know its own events again by function and key."""
    if not event.f.startswith(f"{name}/"):
        return event
    key = event.key if event.key is None or event.key == name else event.key.removeprefix(f"{name}/")
    return msgspec.structs.replace(
        event, f=event.f.removeprefix(f"{name}/"), key=None if key == name else key
    )


class _Own:
    """A checker that sees only the events of its workload, with their plain functions and keys."""

    def __init__(self, workload: str, checker: Checker) -> None:
        self.name = f"{workload}: {checker.name}"
        self._workload = workload
        self._checker = checker

    def check(self, history: History, limits: Limits) -> Result:
        """Judge the workload's part of the history."""
        prefix = f"{self._workload}/"
        own = [
            _own(self._workload, event)
            for event in history.events()
            if event.f.startswith(prefix) or event.process == "nemesis"
        ]
        result = self._checker.check(History.of(own), limits)
        return msgspec.structs.replace(result, guarantee=f"{self._workload}: {result.guarantee}")
