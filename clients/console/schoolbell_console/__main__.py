"""`python -m schoolbell_console`."""

from schoolbell_console.main import main

main()
