"""RosterService: imports, single records, lists, bars."""
