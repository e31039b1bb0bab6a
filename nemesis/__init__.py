"""quorate nemesis."""
