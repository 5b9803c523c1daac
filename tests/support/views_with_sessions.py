"""The project's URLs, and two views of its own that ask who is signed in."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dfns_login.decorators import recently_signed_in
from dfns_login.rest_framework import SessionTokenAuthentication
from project.urls import *  # noqa: F403  also the handlers of errors
from project.urls import urlpatterns as of_the_project


class Things(APIView):
    authentication_classes = (SessionTokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def post(self, request: Request) -> Response:
        return Response(request.data)


@csrf_exempt
@recently_signed_in(within=timedelta(minutes=5))
def payout(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({})


urlpatterns = [*of_the_project, path("things", Things.as_view()), path("payout", payout)]
