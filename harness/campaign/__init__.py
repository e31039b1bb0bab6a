"""Campaigns: a matrix of runs from a file, executed, resumed and summed up."""
