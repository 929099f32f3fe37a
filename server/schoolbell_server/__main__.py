"""`python -m schoolbell_server` is `schoolbell-server`."""

from schoolbell_server.main import main

main()
