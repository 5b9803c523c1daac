"""What the settings name: who may sign up, which organization a host is of, how codes are sent."""

from django.http import HttpRequest
from people.models import Person

from dfns_login.delivery import CodeToSend, NotDeliverable
from dfns_login.models import Account, Organization

TEXTS: list[str] = []


def create_person(account: Account) -> Person:
    return Person.objects.create_user(email=account.email, full_name=account.email.partition("@")[0])


def may_sign_up(email: str, organization: Organization) -> bool:
    return organization.active and email.endswith("@shop.example")


def organization_by_host(request: HttpRequest) -> str:
    found = Organization.objects.filter(name=request.get_host().partition(".")[0]).first()
    return found.pk if found else ""


def send_text(message: CodeToSend) -> bool:
    person = message.account.user
    if person is None or not person.phone:
        return False  # by email
    if not person.phone.startswith("+"):
        raise NotDeliverable("the number has no country code")
    TEXTS.append(f"{message.code} is your code until {message.expires_at:%H:%M}.")
    return True
