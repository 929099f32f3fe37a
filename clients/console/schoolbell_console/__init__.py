"""The console: what an administrator of a district sees and does, as pages in a browser."""
