"""URLs of the runnable project."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from dfns_login import error_handlers
from dfns_login.settings import login_settings
from project import views

handler400 = error_handlers.bad_request
handler403 = error_handlers.permission_denied
handler404 = error_handlers.page_not_found
handler500 = error_handlers.server_error
admin.site.site_header = admin.site.site_title = format_lazy(_("{name} administration"), name=login_settings().rp_name)
urlpatterns = [
    path("", views.home, name="home"),
    path("admin/login/", views.admin_login),
    path("admin/", admin.site.urls),
    path("", include("dfns_login.urls")),
]
MAIL_PAGES = [
    path("mail/", views.mailbox, name="mailbox"),
    path("mail/<int:number>/", views.mailbox, name="mail"),
    path("mail/<int:number>/text/", views.mailbox, {"plain": True}, name="mail-as-text"),
    path("mail/<int:number>/html/", views.mail_as_html, name="mail-as-html"),
]
if settings.DEBUG and settings.MAIL_FOLDER:
    urlpatterns += MAIL_PAGES
