"""quorate checkers."""
