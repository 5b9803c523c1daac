"""The app's URLs: `path("", include("dfns_login.urls"))`."""

from django.urls import include, path

app_name = "dfns_login"
urlpatterns = [path("", include("dfns_login.api.urls"))]
