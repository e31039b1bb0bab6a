"""A stored run as a page, a table, a CI format: one module for each report."""

if __name__ != "quorate.reports":  # the checkout is on the path: by two names every class would exist twice
    raise ImportError(f"this is quorate.reports: write `import quorate.reports`, not `import {__name__}`")
