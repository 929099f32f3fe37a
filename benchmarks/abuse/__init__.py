"""`make abuse`: attacks on a running server, and what they cost its other callers."""
