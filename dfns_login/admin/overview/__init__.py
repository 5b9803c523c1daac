from dfns_login.admin.overview.page import Overview, overview
from dfns_login.admin.overview.parts import Asked
from dfns_login.admin.overview.refusals import LIMITS

__all__ = ["LIMITS", "Asked", "Overview", "overview"]
