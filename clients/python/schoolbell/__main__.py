"""`python -m schoolbell` is the `schoolbell` command."""

from schoolbell.cli.main import main

main()
