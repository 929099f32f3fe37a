"""What the gateways of all providers share."""
