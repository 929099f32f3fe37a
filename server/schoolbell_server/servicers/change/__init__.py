"""ChangeService: publishing, reading and explaining changes."""
