"""SettingsService: the switch, settings, display options."""
