"""A pytest plugin for projects that embed the app: `pytest_plugins = ["dfns_login.pytest_plugin"]`.

It needs pytest-django. A test marked `dfns_login_rates` runs with the project's rates; all others run without.
"""

from collections.abc import Iterator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "dfns_login_rates: count the rates of dfns_login, and of django-ratelimit")


@pytest.fixture(autouse=True)
def dfns_login_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run each test with `settings_for_tests`."""
    from dfns_login.testing.settings import settings_for_tests  # noqa: PLC0415  Django is not set up at import

    with settings_for_tests():
        if request.node.get_closest_marker("dfns_login_rates"):
            from django.test import override_settings  # noqa: PLC0415

            with override_settings(RATELIMIT_ENABLE=True):
                yield
        else:
            yield
