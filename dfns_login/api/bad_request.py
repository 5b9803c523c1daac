"""The response to a request that Django rejects before any view runs, such as one with a wrong `Host`."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.defaults import bad_request as bad_request_page

from dfns_login.api.envelope import envelope, refusal_of
from dfns_login.paths import mount


@never_cache
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer with the error envelope below the API's path, and with the project's page elsewhere. For `handler400`."""
    if not request.path.startswith(f"{mount()}auth/"):
        return bad_request_page(request, exception)
    return JsonResponse(envelope(refusal_of(exception)), status=400)
