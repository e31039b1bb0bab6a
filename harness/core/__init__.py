"""What workloads, faults, checkers and systems see: contracts, outcomes, verdicts, names. Imports nothing above it."""
