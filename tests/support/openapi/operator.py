"""A WSGI wrapper that replaces the tokens in a request by valid ones of an operator."""

import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings

from dfns_login.api.parsing import parse_payload
from dfns_login.errors import BodyRefused
from dfns_login.models import Session
from dfns_login.proofs.user_actions import ActionRequest, issue_user_action
from tests.support.signed_in import SignedIn

CSRF: Final = "c" * 32
Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


class OperatorDoor:
    """Replaces any bearer token, user action and CSRF token that a request has by a valid one."""

    def __init__(self, application: Application, *, operator: SignedIn) -> None:
        self.application = application
        self.operator = operator

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if "HTTP_AUTHORIZATION" in environ:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self.operator.token}"
        if "HTTP_X_CSRFTOKEN" in environ:
            environ |= {"HTTP_X_CSRFTOKEN": CSRF, "HTTP_COOKIE": f"{settings.CSRF_COOKIE_NAME}={CSRF}"}
        if "HTTP_X_DFNS_USERACTION" in environ:
            self.sign(environ)
        return self.application(environ, start_response)

    def sign(self, environ: Environ) -> None:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        session = Session.objects.get(account=self.operator.person.account)
        with suppress(BodyRefused):
            asked = ActionRequest(method=environ["REQUEST_METHOD"], path=path, payload=parse_payload(body))
            digest = asked.digest(session=session)
            environ["HTTP_X_DFNS_USERACTION"] = issue_user_action(
                session, digest=digest, generation=session.generation, now=datetime.now(UTC)
            )
