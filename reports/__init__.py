"""quorate reports."""
