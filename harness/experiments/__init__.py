"""Experiments: many runs put one after the other to answer one question, such as "does it still happen?"."""
