"""StatusService: status, watching, deliveries."""
