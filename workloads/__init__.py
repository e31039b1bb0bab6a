"""What clients do and what must hold: one module for each workload."""

if __name__ != "quorate.workloads":  # the checkout is on the path: by two names every class would exist twice
    raise ImportError(f"this is quorate.workloads: write `import quorate.workloads`, not `import {__name__}`")
