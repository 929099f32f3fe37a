"""The middleware of every RPC: who calls, what is asked, and how errors are told."""
