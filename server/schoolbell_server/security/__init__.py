"""Who may call, what they may do, and how secrets are kept."""
