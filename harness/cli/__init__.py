"""The `quorate` command: a thin layer over the Python API."""
