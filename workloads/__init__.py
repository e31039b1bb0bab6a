"""quorate workloads."""
