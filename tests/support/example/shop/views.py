"""Views that know who signed in, how long ago, and that the owner signed the request."""

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from people.models import Person
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dfns_login.accounts import enroll, enroll_each, invite, organization_of, session_of
from dfns_login.decorators import recently_signed_in
from dfns_login.rest_framework import BrowserSessionAuthentication, SessionTokenAuthentication, user_action_required


@login_required
def home(request: HttpRequest) -> HttpResponse:
    session, organization = session_of(request), organization_of(request)
    person = request.user
    assert isinstance(person, Person)
    return JsonResponse(
        {
            "session": session.pk if session else None,
            "organization": organization.name if organization else None,
            "accounts": [account.username for account in person.dfns_accounts.all()],
        }
    )


@recently_signed_in(within=timedelta(minutes=5))
def payout(request: HttpRequest, amount: int) -> HttpResponse:
    return HttpResponse(f"paid {amount}")


class Payments(APIView):
    authentication_classes = (SessionTokenAuthentication, BrowserSessionAuthentication)
    permission_classes = (IsAuthenticated,)

    @user_action_required
    def post(self, request: Request) -> Response:
        session = session_of(request)
        return Response({"by": session.account.email if session else None, "sent": request.data})


def enroll_everybody() -> tuple[int, list[str]]:
    done = list(enroll_each(Person.objects.filter(is_active=True)))
    return sum(each.account is not None for each in done), [each.problem for each in done if each.problem]


def hire(email: str, person: Person) -> list[str]:
    return [invite(email).email, enroll(person).email]
