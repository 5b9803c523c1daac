"""URLs of a project that has pages of its own: the API alone."""

from django.urls import include, path

urlpatterns = [path("", include(("dfns_login.api.urls", "dfns_login")))]
