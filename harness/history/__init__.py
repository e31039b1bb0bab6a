"""Histories: events, the journal on disk, columns for checkers and analysts."""

from quorate.harness.history.columns import Columns
from quorate.harness.history.event import NEMESIS, Event, Operation, Type
from quorate.harness.history.history import History
from quorate.harness.history.journal import Journal
from quorate.harness.history.native import HistoryError, NativeMissingError

__all__ = [
    "NEMESIS",
    "Columns",
    "Event",
    "History",
    "HistoryError",
    "Journal",
    "NativeMissingError",
    "Operation",
    "Type",
]
