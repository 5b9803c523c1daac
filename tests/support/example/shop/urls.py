"""The shop's own views beside the app's."""

from django.urls import include, path

import shop.receivers  # noqa: F401  connects them
from shop.views import Payments, home, payout

handler400 = "dfns_login.error_handlers.bad_request"

urlpatterns = [
    path("", home),
    path("payout/<int:amount>", payout),
    path("payments", Payments.as_view()),
    path("", include("dfns_login.urls")),
]
