"""`python -m quorate` is the command `quorate`."""

from quorate.harness.cli.main import main

if __name__ == "__main__":
    main()
