"""A bank: transfers move money between accounts, so every read of all accounts has the same total.

Jepsen's bank workload: `transfer` with `{"from", "to", "amount"}`, `read` answering a map of balances. The total is the
one stated (`--initial 100`, or a map of balances); without it two reads that differ show the violation. Balances below
zero are a violation too, unless `--set negative=yes` allows them.
"""

from __future__ import annotations

from typing import Any

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.history import Event, Operation


def _rule(seen: Seen, asked: Asked) -> Found:
    total = _stated(asked.initial)
    accounts = frozenset(asked.initial) if isinstance(asked.initial, dict) else None
    first: tuple[Operation, Event] | None = None
    found = []
    reads = 0
    for operation, done in seen.succeeded("read"):
        if done.value is None:
            continue
        balances = _balances(done)
        reads += 1
        start = f"p{done.process} read {say(done.value)} {seen.when(done)}"
        others = [first[0]] if first else []
        if accounts is not None and balances.keys() != accounts:
            odd = ", ".join(sorted(map(str, balances.keys() ^ accounts)))
            against = f"p{first[1].process}'s read {seen.when(first[1])}" if first else "the initial balances"
            found.append(
                anomaly(
                    "wrong accounts",
                    f"{start}, whose accounts differ from {against} by {odd}",
                    operation,
                    *others,
                )
            )
            continue
        empty = [account for account, balance in balances.items() if balance is None]
        below = [account for account, balance in balances.items() if balance is not None and balance < 0]
        this = sum(balance for balance in balances.values() if balance is not None)
        if empty:
            found.append(anomaly("no balance", f"{start}: account {empty[0]} has no balance", operation))
        elif below and not asked.yes("negative"):
            found.append(anomaly("negative balance", f"{start}: account {below[0]} is below zero", operation))
        elif total is not None and this != total:
            was = (
                f"p{first[1].process} read a total of {total} {seen.when(first[1])}"
                if first
                else f"it is {total}"
            )
            found.append(anomaly("wrong total", f"{start}, a total of {this}, but {was}", operation, *others))
        elif total is None:
            total, accounts, first = this, frozenset(balances), (operation, done)
    few = reads < 2 and _stated(asked.initial) is None  # noqa: PLR2004 - two to compare
    missing = "fewer than two reads succeeded and no total was stated (--initial 100): nothing to compare"
    return Found(found, missing if few else "", {"reads": reads, "total": total})


def _stated(initial: Any) -> Any:
    if isinstance(initial, dict):
        return sum(balance or 0 for balance in initial.values())
    return initial


def _balances(done: Event) -> dict[str, Any]:
    value = done.value
    if not isinstance(value, dict) or not all(_amount(balance) for balance in value.values()):
        raise Foreign(done, 'a map of accounts and their balances, such as {"a": 60, "b": 40}')
    return value


def _amount(balance: Any) -> bool:
    return balance is None or (isinstance(balance, int | float) and not isinstance(balance, bool))


MODEL = ObjectModel(
    name="bank",
    about="accounts: transfer, read of all balances; the total stays what it was",
    functions=frozenset({"read", "transfer"}),
    rule=_rule,
    guarantee="constant-total",
    settings={"negative": "yes: balances may fall below zero [no]"},
    takes_initial=True,
)
