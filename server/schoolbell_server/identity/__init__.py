"""Signed tokens of identity providers: whose they are, whether they are good, what they allow."""
