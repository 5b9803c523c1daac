"""How drf-spectacular describes the API, in our own document and in the schema of a project that embeds the app.

Importing this package registers its extensions. `DfnsLoginConfig.ready` imports it if drf-spectacular is installed;
nothing else in the app may.
"""

from dfns_login.api.schema import authentication, operations, shapes

__all__ = ["authentication", "operations", "shapes"]
