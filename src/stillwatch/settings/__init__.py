"""One frozen ``Settings``: defaults < file < environment < flags; the deployment key; where things are kept."""

from stillwatch.settings.key import DeploymentKey, create_key, key_path, load_key
from stillwatch.settings.model import Settings, load_settings
from stillwatch.settings.places import cases_path, ledger_path, signing_key_path
from stillwatch.settings.private import is_exposed, write_private

__all__ = ["DeploymentKey", "Settings", "cases_path", "create_key", "is_exposed", "key_path", "ledger_path",
           "load_key", "load_settings", "signing_key_path", "write_private"]
