"""What servicers of several services share."""
