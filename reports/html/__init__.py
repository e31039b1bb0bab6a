"""The report of a run: one HTML file that needs no network and explains what went wrong."""

from reports.html.page import write

__all__ = ["write"]
