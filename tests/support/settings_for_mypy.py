"""The project's settings for the type checker, which reads them without an environment."""

import os

os.environ.setdefault("DEBUG", "1")

from project.settings import *  # noqa: F403
