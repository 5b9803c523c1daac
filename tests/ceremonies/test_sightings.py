"""Which sign-ins and key releases their owner is told of (R-130)."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dfns_login.models import AuditKind, Credential, CredentialKind, Notice
from dfns_login.models.credentials import NETWORKS
from tests.support.api_browser import Browser
from tests.support.api_client import complete_login, open_login
from tests.support.factories import Person, issue, make_person
from tests.support.mail import deliver_at
from tests.support.signed_in import signed_in

pytestmark = pytest.mark.django_db

HOME, NEXT_DOOR, ABROAD = "198.51.100.7", "198.51.100.9", "203.0.113.7"


@pytest.fixture
def jane() -> Person:
    return make_person(None, "jane@example.co")


def sign_in(person: Person, *, by: str, release_by: str = "", wrong: int = 0) -> None:
    """Sign in through the API, without cookies. release_by: the address that gets the key, if it is another."""
    releasing, signing = Client(REMOTE_ADDR=release_by or by), Client(REMOTE_ADDR=by)
    code = issue(person.account.recipient)
    for _ in range(wrong):
        assert open_login(releasing, person.names, loginCode="0000-0000-0000-0000").status_code == 403
    challenge = open_login(releasing, person.names, loginCode=code).json()
    assert complete_login(signing, challenge, person.key).status_code == 200


def told() -> list[str]:
    return list(Notice.objects.order_by("pk").values_list("event__kind", flat=True))


def test_a_client_without_a_cookie_is_told_of_once_per_network(jane: Person, mailoutbox: list[Any]) -> None:
    """Its first sign-in is what the others are compared with."""
    for address in (HOME, HOME, NEXT_DOOR):
        sign_in(jane, by=address)
    assert told() == []
    for _ in range(3):
        sign_in(jane, by=ABROAD)
    assert told() == [AuditKind.KEY_RELEASED]  # the sign-in that follows is not told again
    deliver_at(timezone.now())
    assert "203.0.113.0/24" in str(mailoutbox[0].body)
    assert "/lock/?token=" in str(mailoutbox[0].body)


def test_a_sign_in_from_another_network_than_the_release_is_told_too(jane: Person) -> None:
    sign_in(jane, by=HOME)
    sign_in(jane, by="192.0.2.9", release_by=ABROAD)
    assert told() == [AuditKind.KEY_RELEASED, AuditKind.SIGNED_IN]


def test_a_release_of_a_key_that_never_signed_in_is_told(jane: Person) -> None:
    """The owner signs in with another credential."""
    Credential.objects.create(
        organization=jane.account.organization,
        account=jane.account,
        kind=CredentialKind.KEY,
        credential_id="AAAA",
        canonical_credential_id="AAAA",
        created_at=timezone.now(),
        networks=["198.51.100.0/24"],
    )
    sign_in(jane, by=ABROAD)
    assert told() == [AuditKind.KEY_RELEASED]


def test_a_sign_in_without_a_release_is_told(jane: Person) -> None:
    sign_in(jane, by=HOME)
    sign_in(jane, by=ABROAD, release_by=HOME)
    assert told() == [AuditKind.SIGNED_IN]


def test_a_new_browser_is_told_of_once_and_a_known_one_only_on_a_new_network(jane: Person) -> None:
    known = Browser()
    for _ in range(2):
        assert known.sign_in(jane).status_code == 200
    assert told() == []
    new = Browser()
    for _ in range(2):
        assert new.sign_in(jane).status_code == 200
    assert told() == [AuditKind.SIGNED_IN]
    known.defaults["REMOTE_ADDR"] = ABROAD
    for _ in range(2):
        assert known.sign_in(jane).status_code == 200
    assert told() == [AuditKind.SIGNED_IN, AuditKind.KEY_RELEASED]


def test_a_stolen_device_mark_gets_no_key_on_a_new_network_without_notice(jane: Person) -> None:
    """Nobody signs in with the key: its password may be guessed offline."""
    known = Browser()
    assert known.sign_in(jane).status_code == 200
    stolen = Client(REMOTE_ADDR=NEXT_DOOR)
    stolen.cookies = known.cookies
    for address, kinds in (("127.0.0.1", []), (ABROAD, [AuditKind.KEY_RELEASED])):
        stolen.defaults["REMOTE_ADDR"] = address
        assert open_login(stolen, jane.names, loginCode=issue(jane.account.recipient)).status_code == 200
        assert told() == kinds


def test_a_stolen_session_gets_no_key_on_a_new_network_without_notice(client: Client, mailoutbox: list[Any]) -> None:
    """One email per network: the session may be its owner's, who travels. It doesn't suspect the mailbox."""
    jane = signed_in(client, make_person(None, "jane@example.co"))
    for address, number in ((HOME, 1), (NEXT_DOOR, 1), (ABROAD, 2), (HOME, 2)):
        client.defaults["REMOTE_ADDR"] = address
        assert jane.open_action("POST", "/things")["allowCredentials"]["passwordProtectedKey"]
        assert told() == [AuditKind.KEY_RELEASED] * number
    deliver_at(timezone.now())
    text = str(mailoutbox[0].body)
    assert "Somebody else is signed in to your account." in text
    assert "code that we emailed you" not in text


@pytest.mark.parametrize(("wrong", "kinds"), [(4, []), (5, [AuditKind.SIGNED_IN])])
def test_a_sign_in_after_many_wrong_codes_is_told(
    jane: Person, mailoutbox: list[Any], wrong: int, kinds: list[str]
) -> None:
    sign_in(jane, by=HOME)
    sign_in(jane, by=HOME, wrong=wrong)
    assert told() == kinds
    deliver_at(timezone.now())
    assert ["after 5 wrong codes" in str(each.body) for each in mailoutbox] == [True] * len(kinds)


def test_a_refused_sign_in_teaches_no_network(jane: Person) -> None:
    sign_in(jane, by=HOME)
    abroad = Client(REMOTE_ADDR=ABROAD)
    stranger = make_person(jane.account.organization, "eve@example.co")
    assert complete_login(abroad, open_login(abroad, jane.names).json(), stranger.key).status_code == 401
    assert jane.account.credentials.get().networks == ["198.51.100.0/24"]


def test_a_credential_keeps_a_bounded_number_of_networks(jane: Person) -> None:
    credential = jane.account.credentials.get()
    for number in range(NETWORKS + 2):
        Credential.objects.remember_network(credential=credential, network=f"10.0.{number}.0/24")
    credential.refresh_from_db()
    assert credential.networks == [f"10.0.{number}.0/24" for number in range(2, NETWORKS + 2)]
