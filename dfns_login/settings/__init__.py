from dfns_login.settings.fields import BEAT_SCHEDULE, DEFAULT_RATES, LoginSettings
from dfns_login.settings.loading import SettingsRefused, login_settings
from dfns_login.settings.rates import Window

__all__ = ["BEAT_SCHEDULE", "DEFAULT_RATES", "LoginSettings", "SettingsRefused", "Window", "login_settings"]
