"""Test your own project: signed-in clients, codes, user actions, and software authenticators that really sign.

With pytest, add `pytest_plugins = ["dfns_login.pytest_plugin"]` to your `conftest.py`. With unittest, decorate your
test classes with `@settings_for_tests()`.
"""

from dfns_login.testing.authenticators import Client as ImitatedClient
from dfns_login.testing.authenticators import Kind, SoftwareKey
from dfns_login.testing.clients import ApiClient, api_client_for, login_as, sign_action
from dfns_login.testing.passkeys import Passkey
from dfns_login.testing.people import Person, last_code, person_for
from dfns_login.testing.settings import settings_for_tests

__all__ = [
    "ApiClient",
    "ImitatedClient",
    "Kind",
    "Passkey",
    "Person",
    "SoftwareKey",
    "api_client_for",
    "last_code",
    "login_as",
    "person_for",
    "settings_for_tests",
    "sign_action",
]
