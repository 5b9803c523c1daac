"""The project's own signed view comes first, so that drf-spectacular meets our authentication classes there."""

from django.urls import include, path
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.rest_framework import BrowserSessionAuthentication, SessionTokenAuthentication, user_action_required


class PaymentSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=["card", "transfer"])


class Payments(GenericAPIView):
    authentication_classes = (SessionTokenAuthentication, BrowserSessionAuthentication)
    permission_classes = (IsAuthenticated,)
    serializer_class = PaymentSerializer

    @user_action_required
    def post(self, request: Request) -> Response:
        return Response(request.data)


urlpatterns = [
    path("a/payments", Payments.as_view()),
    path("accounts/", include(("dfns_login.api.urls", "dfns_login"))),
]
