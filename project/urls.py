"""URLs of the runnable project."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views import defaults
from django.views.decorators.cache import never_cache

from dfns_login.rest_framework import bad_request
from project import views

handler400 = bad_request
handler403 = never_cache(defaults.permission_denied)
handler404 = never_cache(defaults.page_not_found)
handler500 = never_cache(defaults.server_error)
urlpatterns = [
    path("", views.home, name="home"),
    path("admin/login/", views.admin_login),
    path("admin/", admin.site.urls),
    path("", include("dfns_login.urls")),
]
if settings.DEBUG and settings.MAIL_FOLDER:
    urlpatterns += [
        path("mail/", views.mailbox, name="mailbox"),
        path("mail/<int:number>/html", views.mail_as_html, name="mail-as-html"),
    ]
