from dfns_login.settings.rates import Window
from dfns_login.settings.schema import BEAT_SCHEDULE, LoginSettings, SettingsRefused, login_settings

__all__ = ["BEAT_SCHEDULE", "LoginSettings", "SettingsRefused", "Window", "login_settings"]
