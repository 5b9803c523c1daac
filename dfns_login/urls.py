"""The app's URLs: `path("", include("dfns_login.urls"))`.

To serve the API without the pages, use `path("", include(("dfns_login.api.urls", "dfns_login")))`.
"""

from django.urls import include, path

app_name = "dfns_login"
urlpatterns = [path("", include("dfns_login.pages.urls")), path("", include("dfns_login.api.urls"))]
