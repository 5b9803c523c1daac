"""URLs of a project that serves Django's admin unchanged."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("dfns_login.urls"))]
