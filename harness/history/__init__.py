"""Histories: events, the journal on disk, columns for checkers and analysts."""

from harness.history.columns import Columns
from harness.history.event import NEMESIS, Event, Operation, Type
from harness.history.history import History
from harness.history.journal import Journal
from harness.history.native import HistoryError, NativeMissingError

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
