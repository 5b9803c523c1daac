"""The app's URLs: `path("", include("dfns_login.urls"))`.

To serve the API without the pages, use `path("", include(("dfns_login.api.urls", "dfns_login")))`.
"""

from dfns_login.api.urls import urlpatterns as api
from dfns_login.pages.urls import urlpatterns as pages

app_name = "dfns_login"
urlpatterns = [*api, *pages]  # in one list, because Django tries one pattern after the other, and each `include` anew
