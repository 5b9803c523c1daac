"""The least that a request for a code can cost with Django and REST framework: one INSERT and one LPUSH."""

import secrets
from typing import Any, ClassVar

import redis
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import models
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

application = get_wsgi_application()
server: "redis.Redis" = redis.Redis.from_url(settings.REDIS_URL)


class FloorCode(models.Model):
    """A row of a table that the benchmark makes itself."""

    email = models.CharField(max_length=254)
    code = models.CharField(max_length=64)

    class Meta:
        app_label, db_table, managed = "dfns_login", "floor_code", False

    def __str__(self) -> str:
        return self.email


class Body(serializers.Serializer[Any]):
    username = serializers.EmailField(max_length=254)


class SendCode(APIView):
    """Reads JSON, validates it, inserts a row, pushes a message."""

    authentication_classes: ClassVar = []
    permission_classes: ClassVar = []

    def post(self, request: Request) -> Response:
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        row = FloorCode.objects.create(email=body.validated_data["username"], code=secrets.token_hex(16))
        server.lpush("floor", row.pk)
        return Response({"message": "success"})


urlpatterns = [path("floor", SendCode.as_view())]
