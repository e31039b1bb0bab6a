"""A bank: transfers move money between accounts, so every read of all accounts has the same total.

Jepsen's bank workload: `transfer` with `{"from", "to", "amount"}`, `read` answering a map of balances. The total is the
one stated (`--initial 100`, or a map of balances); without it two reads that differ show the violation. Balances below
zero are a violation too, unless `--set negative=yes` allows them. Where operations have keys, each key is a bank.
Balances are added as the decimal numbers that they are written as.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import Any

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, Operation


class _Bank:
    """What is known of one bank: its total, its accounts, and the read that showed them."""

    def __init__(self, initial: Any) -> None:
        self.total = _stated(initial)
        self.accounts = frozenset(initial) if isinstance(initial, dict) else None
        self.first: tuple[Operation, Event] | None = None
        self.reads = 0


def _rule(seen: Seen, asked: Asked) -> Found:
    banks: dict[str, _Bank] = {}
    found = []
    for operation, done in seen.succeeded("read"):
        if done.value is None:
            continue
        bank = banks.setdefault(say(operation.invoke.key, 1 << 30), _Bank(asked.initial))
        wrong = _read(seen, asked, bank, operation, done)
        if wrong is not None:
            found.append(wrong)
    compared = asked.initial is not None or any(bank.reads > 1 for bank in banks.values())
    missing = "fewer than two reads succeeded and no total was stated (--initial 100): nothing to compare"
    totals = [bank.total for bank in banks.values() if bank.total is not None]
    stats = {
        "reads": sum(bank.reads for bank in banks.values()),
        "total": float(totals[0]) if totals else None,
    }
    return Found(found, "" if compared and banks else missing, stats)


def _read(seen: Seen, asked: Asked, bank: _Bank, operation: Operation, done: Event) -> Anomaly | None:
    balances = _balances(done)
    bank.reads += 1
    start = f"p{done.process} read {say(done.value)} {seen.when(done)}"
    first = bank.first
    others = [first[0]] if first else []
    if bank.accounts is not None and balances.keys() != bank.accounts:
        odd = ", ".join(sorted(map(str, balances.keys() ^ bank.accounts)))
        against = f"p{first[1].process}'s read {seen.when(first[1])}" if first else "the initial balances"
        sentence = f"{start}, whose accounts differ from {against} by {odd}"
        return anomaly("wrong accounts", sentence, operation, *others)
    empty = [account for account, balance in balances.items() if balance is None]
    below = [account for account, balance in balances.items() if balance is not None and balance < 0]
    this = added(balances.values())
    if empty:
        return anomaly("no balance", f"{start}: account {empty[0]} has no balance", operation)
    if below and not asked.yes("negative"):
        return anomaly("negative balance", f"{start}: account {below[0]} is below zero", operation)
    if bank.total is not None and this != bank.total:
        was = (
            f"p{first[1].process} read a total of {_number(bank.total)} {seen.when(first[1])}"
            if first
            else f"it is {_number(bank.total)}"
        )
        return anomaly("wrong total", f"{start}, a total of {_number(this)}, but {was}", operation, *others)
    if bank.total is None:
        bank.total, bank.accounts, bank.first = this, frozenset(balances), (operation, done)
    return None


def added(balances: Collection[Any]) -> int | Fraction:
    """Add numbers as the decimals that they are written as: 0.1 and 0.2 are 0.3."""
    if any(isinstance(balance, float) for balance in balances):
        return sum(
            (Fraction(repr(one)) if isinstance(one, float) else one or 0 for one in balances), Fraction(0)
        )
    return sum(balance or 0 for balance in balances)


def _number(total: int | Fraction) -> str:
    return str(total) if total.denominator == 1 else repr(float(total))


def _stated(initial: Any) -> int | Fraction | None:
    if initial is None:
        return None
    balances = list(initial.values()) if isinstance(initial, dict) else [initial]
    if not all(_amount(balance) for balance in balances):
        msg = f"a bank starts with a total or a map of balances, not with {say(initial)}"
        raise ValueError(msg)
    return added(balances)


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
