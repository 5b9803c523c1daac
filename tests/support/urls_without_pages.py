"""URLs of a project with its own pages: the API only."""

from django.urls import include, path

urlpatterns = [path("", include(("dfns_login.api.urls", "dfns_login")))]
