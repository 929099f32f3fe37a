"""DeviceService: registration, notifications, receipts, test notifications."""
