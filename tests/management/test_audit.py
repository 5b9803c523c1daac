"""`manage.py dfns audit` and `manage.py dfns void` (R-128)."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from dfns_login.audit import record_event
from dfns_login.audit_chain import chain_events, head
from dfns_login.models import Account, AuditEvent, AuditKind, CodePurpose, OneTimeCode, Session
from dfns_login.verification.evidence import request_digest, verify_evidence
from tests.management.conftest import Dfns
from tests.support.api_client import complete_login, open_login, sign_in
from tests.support.authenticators import SoftwareKey
from tests.support.factories import issue, make_account, make_organization, make_person
from tests.support.signed_in import SignedIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def jane() -> Account:
    account = make_account(make_organization())
    for number in range(3):
        at = timezone.now() - timedelta(minutes=10 - number)
        record_event(AuditKind.SIGNED_IN, account=account, requester=None, now=at, number=number)
    chain_events(now=timezone.now())
    return account


def exported(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_intact_trail(dfns: Dfns, jane: Account) -> None:
    newest = dfns("audit", "head").out.strip()
    assert newest == str(head())
    assert dfns("audit", "head", "--json").json == {"head": newest}
    assert dfns("audit", "verify", "--head", newest).out == f"The audit trail is intact, up to {newest}.\n"
    assert dfns("audit", "verify", "--json").json == []


def test_without_events(dfns: Dfns) -> None:
    assert dfns("audit", "verify").out == "There are no events.\n"
    assert dfns("audit", "head").out == "\n"
    assert dfns("audit", "export").out == ""


def test_a_problem_is_printed_and_fails(dfns: Dfns, jane: Account) -> None:
    event = AuditEvent.objects.order_by("pk")[1]
    QuerySet(AuditEvent).filter(pk=event.pk).update(detail={})
    found = dfns("audit", "verify")
    assert found.out.startswith(f"altered  position 2, event {event.pk}: ")
    assert found.error == "Problems of the audit trail: 1."
    (problem,) = dfns("audit", "verify", "--json").json
    assert (problem["finding"], problem["position"], problem["event"]) == ("altered", 2, event.pk)


@pytest.mark.parametrize(
    "arguments", [("verify", "--head", "x"), ("verify", "--head", "1:zz"), ("export", "--since", "noon")]
)
def test_a_malformed_argument_is_refused(dfns: Dfns, arguments: tuple[str, ...]) -> None:
    assert "Error: argument" in dfns("audit", *arguments).error


def test_an_export_has_one_event_a_line(dfns: Dfns, jane: Account) -> None:
    lines = exported(dfns("audit", "export").out)
    assert [each["detail"] for each in lines] == [{"number": number} for number in range(3)]
    assert [each["position"] for each in lines] == [1, 2, 3]
    assert f"3:{lines[-1]['mac']}" == str(head())
    assert {(each["account"], each["organization"], each["kind"]) for each in lines} == {
        (jane.pk, jane.organization_id, "session.opened")
    }


def test_an_export_is_narrowed(dfns: Dfns, jane: Account) -> None:
    other = make_account(make_organization())
    record_event(AuditKind.INVITED, account=other, requester=None, now=timezone.now())
    times = [each["at"] for each in exported(dfns("audit", "export").out)]
    between = exported(dfns("audit", "export", "--since", times[1], "--until", times[2]).out)
    assert [each["detail"] for each in between] == [{"number": 1}]
    mine = exported(dfns("audit", "export", "--organization", other.organization_id).out)
    assert [(each["account"], each["position"], each["mac"]) for each in mine] == [(other.pk, None, None)]
    kinds = exported(dfns("audit", "export", "--kind", "account.invited", "--kind", "account.recovered").out)
    assert [each["kind"] for each in kinds] == ["account.invited"]


def test_an_exported_action_is_verified_by_anybody(dfns: Dfns, client: Client) -> None:
    """With the exported line and the request alone."""
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    jane = SignedIn(client=client, person=person, token=sign_in(client, person))
    body = {"credentialUuid": person.account.credentials.get().pk, "credentialName": "Laptop"}
    assert jane.signed("PUT", "/auth/credentials/rename", body).status_code == 200
    lines = exported(dfns("audit", "export", "--kind", "action.signed", "--kind", "action.used").out)
    signed, used = lines
    wanted = request_digest("PUT", "/auth/credentials/rename", body)
    verify_evidence(signed["evidence"], request=wanted)
    assert used["detail"]["request"] == signed["evidence"]["request"] == wanted
    assert (used["detail"]["method"], used["detail"]["path"]) == ("PUT", "/auth/credentials/rename")


# after restoring a backup


def test_voiding_ends_what_was_issued(dfns: Dfns, client: Client) -> None:
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    organization = person.account.organization_id
    bystander = make_person(make_organization("Other"), "kim@example.co", SoftwareKey.make())
    mine = SignedIn(client=client, person=person, token=sign_in(client, person))
    theirs = SignedIn(client=client, person=bystander, token=sign_in(client, bystander))
    issue(person.account.recipient, purpose=CodePurpose.RECOVERY)
    assert dfns("void", "--organization", organization, "--json").json == [
        {"organization": organization, "sessions": 1, "codes": 1}
    ]
    assert mine.call("GET", "/auth/credentials").status_code == 401
    assert theirs.call("GET", "/auth/credentials").status_code == 200
    assert not OneTimeCode.objects.open().exists()
    event = AuditEvent.objects.get(kind=AuditKind.ORGANIZATION_VOIDED)
    assert (event.account, event.organization_id, event.detail) == (None, organization, {"sessions": 1, "codes": 1})
    assert dfns("void", "--organization", organization).out == f"{organization}  sessions 0, codes 0\n"
    assert len(dfns("void", "--json").json) == 2
    assert theirs.call("GET", "/auth/credentials").status_code == 401
    sign_in(client, person)  # everybody can sign in again


def test_voiding_covers_objects_newer_than_the_backup(dfns: Dfns, client: Client) -> None:
    """What was issued after the backup has a higher generation than anything in it. A control without voiding."""
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    Account.objects.raise_generation(account=person.account)
    opened = open_login(client, person.names, loginCode=issue(person.account.recipient)).json()
    control = open_login(client, person.names, loginCode=issue(person.account.recipient)).json()
    Account.objects.filter(pk=person.account.pk).update(generation=0)  # restored
    type(person.account.organization).objects.update(generation=0)
    assert complete_login(client, control, person.key).status_code == 200
    dfns("void")
    assert complete_login(client, opened, person.key).status_code == 401
    assert not Session.objects.filter(revoked_at__isnull=True).exists()


def test_an_unknown_organization_is_refused(dfns: Dfns) -> None:
    assert dfns("void", "--organization", "or-x").error == "There is no organization with the id or-x."
