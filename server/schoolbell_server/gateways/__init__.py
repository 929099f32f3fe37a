"""Gateways: our side of the providers."""
