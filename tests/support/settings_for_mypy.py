"""The project's settings for mypy, which has no environment variables."""

import os

os.environ.setdefault("DEBUG", "1")

from project.settings import *  # noqa: F403
