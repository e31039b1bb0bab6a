"""Hunts: many short runs, each drawn anew, in search of what is not known yet."""
