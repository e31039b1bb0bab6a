"""Hunts: many short runs, each drawn anew, in search of what nobody has named."""
