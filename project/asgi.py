"""The project as an ASGI application."""

import os

from django.core.asgi import get_asgi_application

from project.bodies import BoundedBodies
from project.databases import POOL_SIZE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# Django runs each request in a thread of its own here, so connections kept by threads would have no bound.
os.environ.setdefault("DATABASE_POOL_SIZE", str(POOL_SIZE))

application = BoundedBodies(get_asgi_application())
