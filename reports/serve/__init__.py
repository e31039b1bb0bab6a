"""The results browser: lists, filters, searches and compares the runs of a store, and shows their reports."""

from quorate.reports.serve.server import Server, serve

__all__ = ["Server", "serve"]
