"""Histories: events, the journal on disk, columns for checkers and analysts."""
