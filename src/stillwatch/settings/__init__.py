"""One frozen ``Settings``: defaults < file < environment < flags; and the deployment key."""

from stillwatch.settings.key import DeploymentKey, create_key, key_path, load_key
from stillwatch.settings.model import Settings, load_settings

__all__ = ["DeploymentKey", "Settings", "create_key", "key_path", "load_key", "load_settings"]
