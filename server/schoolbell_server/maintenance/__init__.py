"""What a server does beside accepting and sending: expiry, retention, repair."""
