"""A project that serves Django's admin as it comes."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("dfns_login.urls"))]
