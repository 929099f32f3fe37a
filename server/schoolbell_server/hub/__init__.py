"""The hub: sends for districts that hold no credentials of the providers."""
