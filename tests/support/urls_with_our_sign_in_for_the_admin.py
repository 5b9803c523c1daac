"""URLs of a project whose staff sign in to the admin on our pages, as `docs/embedding.md` says."""

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_required
from django.urls import include, path

from project.views import home

site = AdminSite()
site.login = login_required(site.login)  # type: ignore[method-assign]
urlpatterns = [path("", home, name="home"), path("admin/", site.urls), path("", include("dfns_login.urls"))]
