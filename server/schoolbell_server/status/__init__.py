"""The state of the service and the stream of what changes."""
