"""URLconfs that serve the app elsewhere than at the root. Each test chooses one as `ROOT_URLCONF`."""

from types import ModuleType
from typing import Any

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path, re_path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dfns_login.api.authentication import SessionTokenAuthentication
from dfns_login.api.signed_requests import user_action_required


class Payments(APIView):
    """A signed view of the project. It answers with its own path."""

    authentication_classes = (SessionTokenAuthentication,)

    @user_action_required
    def post(self, request: Request) -> Response:
        return Response({"at": request.path})


APP: Any = path("", include("dfns_login.urls"))
ADMIN: Any = path("admin/", admin.site.urls)


def urlconf(*patterns: Any) -> ModuleType:
    """Return a module with these patterns, which a setting may hold in place of its name."""
    module = ModuleType("urls")
    module.urlpatterns = [path("home", HttpResponse, name="home"), *patterns]  # type: ignore[attr-defined]
    return module


AT_ROOT = urlconf(APP, ADMIN, path("payments", Payments.as_view()))
BELOW_A_PREFIX = urlconf(path("api/v1/", include([APP, path("payments", Payments.as_view())])), ADMIN)
WITH_A_FALLBACK = urlconf(*BELOW_A_PREFIX.urlpatterns, re_path(r"", lambda _: HttpResponse("single-page app")))
TWO_VIEWS = urlconf(*BELOW_A_PREFIX.urlpatterns, path("payments", Payments.as_view()))
IN_LANGUAGES = urlconf(*i18n_patterns(APP, ADMIN))
IN_OTHER_LANGUAGES = urlconf(*i18n_patterns(APP, ADMIN, prefix_default_language=False))
