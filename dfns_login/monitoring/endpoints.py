"""`/healthz`, `/readyz` and `/metrics`, answered by a middleware.

A middleware that is listed early answers before the `Host` header is checked, before a redirect to https, before
sessions and before a project's own login requirement: probes and Prometheus call processes directly.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare

from dfns_login.monitoring.probes import PARTS
from dfns_login.settings import login_settings

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
UNAVAILABLE: Final = 503


class MonitoringMiddleware:
    """Answer `/healthz`, `/readyz` and, if `MONITORING_TOKEN` is set and prometheus-client installed, `/metrics`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = ANSWERS.get(request.path_info) if request.method in {"GET", "HEAD"} else None
        response = answer(request) if answer else None
        if response is None:
            return self.get_response(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _health(_request: HttpRequest) -> HttpResponse:
    """Report that the process answers. Nothing else is checked: restarting it would not bring a database back."""
    return JsonResponse({"status": "ok"})


def _readiness(request: HttpRequest) -> HttpResponse:
    """Report whether this process can answer requests for codes and sign-ins."""
    authorized = _is_authorized(request)
    needed = ["database"] if login_settings().cache_outage == "allow" else ["database", "cache"]
    for name in PARTS if authorized else needed:
        PARTS[name].start()  # all at once
    ready = all(PARTS[name].result() for name in needed)
    body: dict[str, object] = {"status": "ready" if ready else "unavailable"}
    if authorized:
        body["parts"] = {name: "up" if probe.result() else "down" for name, probe in PARTS.items()}
    return JsonResponse(body, status=200 if ready else UNAVAILABLE)


def _metrics(request: HttpRequest) -> HttpResponse | None:
    if not login_settings().monitoring_token or not find_spec("prometheus_client"):
        return None  # the project may have metrics of its own there
    if not _is_authorized(request):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    from dfns_login.monitoring.metrics import exposition  # noqa: PLC0415  an extra

    return HttpResponse(exposition(), content_type=METRICS_TYPE)


def _is_authorized(request: HttpRequest) -> bool:
    token = login_settings().monitoring_token
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and constant_time_compare(sent.strip(), token)


ANSWERS: Final[Mapping[str, Callable[[HttpRequest], HttpResponse | None]]] = {
    "/healthz": _health,
    "/readyz": _readiness,
    "/metrics": _metrics,
}
