"""The report of a run: one HTML file that needs no network and explains what went wrong."""

from quorate.reports.html.page import write

__all__ = ["write"]
