"""Sandbox gateways: an APNs and an FCM that behave as the real ones do, and break on demand."""
