"""Login tokens over HTTP: they end at once, and work for nothing else."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import F
from django.test import Client

from dfns_login.key_rings import Ring, key_rings, rotate_ring
from dfns_login.models import AuditEvent, AuditKind, Credential, Organization, Session
from tests.support.api_client import (
    NOT_AUTHORIZED,
    call,
    list_credentials,
    log_out,
    sign_in,
    told,
)
from tests.support.authenticators import SoftwareKey
from tests.support.clock import HOUR, SECOND
from tests.support.factories import Person, make_organization, make_person

pytestmark = pytest.mark.django_db


def move(person: Person) -> None:
    type(person.account).objects.update(organization=make_organization())


def test_the_token_has_the_claims_that_clients_read(token: str, kim: Person) -> None:
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["https://custom/app_metadata"] == {
        "orgId": kim.account.organization_id,
        "userId": kim.account.pk,
    }
    assert claims["iss"] == "http://localhost:8000"
    assert claims["exp"] - claims["iat"] == 12 * 3600


def test_anybody_can_verify_a_token_with_the_published_keys(client: Client, token: str) -> None:
    published = call(client, "GET", "/.well-known/jwks.json").json()
    assert all("d" not in key for key in published["keys"])
    keys = jwt.PyJWKSet.from_dict(published)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="http://localhost:8000/auth#session")
    assert claims["jti"] == Session.objects.get().jti


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda kim: Session.objects.update(revoked_at=F("issued_at")), id="revoked"),
        pytest.param(lambda kim: Session.objects.update(expires_at=F("issued_at")), id="expired"),
        pytest.param(lambda kim: Session.objects.update(last_seen_at=F("issued_at") - HOUR), id="idle"),
        pytest.param(lambda kim: Session.objects.all().delete(), id="gone"),
        pytest.param(lambda kim: type(kim.account).objects.deactivate(account=kim.account), id="account deactivated"),
        pytest.param(lambda kim: Organization.objects.update(active=False), id="organization deactivated"),
        pytest.param(lambda kim: get_user_model()._default_manager.update(is_active=False), id="user deactivated"),
        pytest.param(lambda kim: get_user_model()._default_manager.all().delete(), id="user deleted"),
        pytest.param(lambda kim: Credential.objects.update(active=False), id="credential deactivated"),
        pytest.param(lambda kim: Credential.objects.all().delete(), id="credential deleted"),
        pytest.param(move, id="moved to another organization"),
    ],
)
def test_a_session_ends_at_once(client: Client, kim: Person, token: str, end: Any) -> None:
    """R-72."""
    assert list_credentials(client, token).status_code == 200
    end(kim)
    assert told(list_credentials(client, token)) == NOT_AUTHORIZED


def test_every_sign_in_opens_a_new_session(client: Client, kim: Person, token: str) -> None:
    """R-74: 128 random bits each time, whatever the client sends."""
    for _ in range(3):
        sign_in(client, kim)
    jtis = list(Session.objects.values_list("jti", flat=True))
    assert len(set(jtis)) == 4
    assert {len(base64.urlsafe_b64decode(each + "==")) for each in jtis} == {16}


@pytest.mark.parametrize(
    "name", ["token", "access_token", "bearer", "Authorization", "authorization", "x-dfns-useraction"]
)
def test_a_token_in_the_url_is_ignored(client: Client, token: str, name: str) -> None:
    """R-77: in a cookie, too."""
    for value in (token, f"Bearer {token}"):
        assert told(call(client, "GET", f"/auth/credentials?{urlencode({name: value})}")) == NOT_AUTHORIZED
        client.cookies[name] = value
        assert told(call(client, "GET", "/auth/credentials")) == NOT_AUTHORIZED


@pytest.mark.django_db(transaction=True)
def test_using_a_session_keeps_it_from_idling(client: Client, token: str) -> None:
    Session.objects.update(last_seen_at=F("last_seen_at") - HOUR + 30 * SECOND)
    before = Session.objects.get().last_seen_at
    assert list_credentials(client, token).status_code == 200
    after = Session.objects.get().last_seen_at
    assert after - before > timedelta(minutes=59)
    assert list_credentials(client, token).status_code == 200
    assert Session.objects.get().last_seen_at == after  # at most once a minute


def test_logging_out_ends_this_session(client: Client, kim: Person, token: str) -> None:
    other = sign_in(client, kim)
    assert log_out(client, token).json() == {"message": "success"}
    assert told(list_credentials(client, token)) == NOT_AUTHORIZED
    assert told(log_out(client, token)) == NOT_AUTHORIZED
    assert list_credentials(client, other).status_code == 200
    assert AuditEvent.objects.filter(kind=AuditKind.SIGNED_OUT).count() == 1


def test_logging_out_of_every_session_ends_all_of_the_account(client: Client, kim: Person, token: str) -> None:
    others = [sign_in(client, kim) for _ in range(2)]
    namesake = make_person(make_organization(), kim.account.email, SoftwareKey.make())
    theirs = sign_in(client, namesake)
    assert log_out(client, token, {"allSessions": True}).status_code == 200
    for each in (token, *others):
        assert told(list_credentials(client, each)) == NOT_AUTHORIZED
    assert list_credentials(client, theirs).status_code == 200


@pytest.mark.parametrize("body", [None, {}, {"allSessions": False}, {"more": 1}])
def test_logging_out_needs_no_body(client: Client, token: str, body: Any) -> None:
    assert log_out(client, token, body).status_code == 200


def test_logging_out_needs_no_content_type(client: Client, token: str) -> None:
    """The official TypeScript client sends none."""
    response = client.generic("PUT", "/auth/logout", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert response.status_code == 200


def test_the_scheme_is_case_insensitive(client: Client, token: str) -> None:
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert call(client, "GET", "/auth/credentials", authorization=f"{scheme} {token}").status_code == 200


def test_only_credentials_of_the_account_are_listed(client: Client, kim: Person, jane: Person) -> None:
    Credential.objects.filter(account=jane.account).update(organization=kim.account.organization)
    listed = list_credentials(client, sign_in(client, kim)).json()
    assert [each["credentialId"] for each in listed["items"]] == [kim.key.credential_id]


def test_a_forged_token_is_refused(client: Client, token: str) -> None:
    """R-70 over HTTP. `tests/proofs/test_session_tokens.py` has every forgery."""
    header, claims, signature = token.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    for forged in (f"{none}.{claims}.", f"{header}.{claims}.", f"{header}.{claims}.{signature[:-4]}AAAA"):
        assert told(list_credentials(client, forged)) == NOT_AUTHORIZED


def test_a_token_stays_valid_while_its_key_is_in_the_ring(client: Client, token: str, configure: Any) -> None:
    """R-118."""
    rings = json.loads(settings.DFNS_LOGIN["KEYS"])
    turned = rotate_ring(rings, ring=Ring.TOKENS, now=datetime.now(UTC))
    configure(KEYS=turned)
    assert len(key_rings().tokens) == 2
    assert list_credentials(client, token).status_code == 200
    configure(KEYS={**turned, "tokens": turned["tokens"][:1]})
    assert told(list_credentials(client, token)) == NOT_AUTHORIZED
