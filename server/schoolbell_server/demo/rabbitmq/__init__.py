"""A RabbitMQ for tests and for the demonstration: found or fetched, started, killed."""
