"""`schoolbell-server init`: from nothing to a server with its first district, keys and rights."""
