from dfns_login.admin.overview.page import Overview, overview
from dfns_login.admin.overview.parts import OverviewQuery
from dfns_login.admin.overview.refusals import LIMITS, UNKNOWN

__all__ = ["LIMITS", "UNKNOWN", "Overview", "OverviewQuery", "overview"]
