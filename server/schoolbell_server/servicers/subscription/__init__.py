"""SubscriptionService."""
