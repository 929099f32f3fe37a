"""Configuration: one file and the environment, read once at start."""

from schoolbell_server.config.identity import Algorithm, IdentityConfig, IssuerConfig
from schoolbell_server.config.load import load_config
from schoolbell_server.config.model import (
    Config,
    DeliveryConfig,
    DevicesConfig,
    LimitsConfig,
    OutboundConfig,
    RetentionConfig,
    ServerConfig,
    ServerRole,
    StorageConfig,
)
from schoolbell_server.config.problems import ConfigError
from schoolbell_server.config.rules import ConfigWarning, check_replay, warnings
from schoolbell_server.config.secret import Secret

__all__ = [
    "Algorithm",
    "Config",
    "ConfigError",
    "ConfigWarning",
    "DeliveryConfig",
    "DevicesConfig",
    "IdentityConfig",
    "IssuerConfig",
    "LimitsConfig",
    "OutboundConfig",
    "RetentionConfig",
    "Secret",
    "ServerConfig",
    "ServerRole",
    "StorageConfig",
    "check_replay",
    "load_config",
    "warnings",
]
