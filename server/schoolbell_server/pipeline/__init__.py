"""From an accepted change to the outcome of its deliveries."""
