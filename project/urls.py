"""URLs of the runnable project."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from project import views

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
