"""`dfns keys`, `dfns reencrypt`, `dfns purge`, and the errors of all commands."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection

from dfns_login.key_rings import key_rings, new_rings
from dfns_login.models import AuditEvent, AuditKind, CodeClosed, Credential, OneTimeCode, SpentToken
from tests.support.factories import issue, make_organization, make_person
from tests.support.servers import ROOT

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=400)


@pytest.fixture
def rings(settings):
    rings = new_rings(now=NOW)
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": json.dumps(rings)}
    return rings


# keys


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_new_rings_are_one_line_that_can_be_used_as_the_setting(dfns, settings, form):
    said = dfns("keys", *form)
    assert said.out.count("\n") == 1
    assert "'" not in said.out
    before = key_rings()
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": said.out}
    assert key_rings().codes != before.codes


@pytest.mark.parametrize("ring", ["codes", "challenges", "tokens", "at_rest"])
def test_rotating_a_ring_adds_a_new_key_and_changes_nothing_else(dfns, rings, ring):
    said = dfns("keys", "--rotate", ring)
    rotated = json.loads(said.out)
    assert rotated[ring][1:] == rings[ring]
    assert {**rotated, ring: rings[ring]} == rings
    assert said.err.startswith("Deploy these rings to every host.")
    assert "old key" in said.err
    assert dfns("keys", "--rotate", ring, "--json").err == ""


@pytest.mark.parametrize("ring", ["decoys", "everything", ""])
def test_no_other_ring_can_be_rotated(dfns, rings, ring):
    error = dfns("keys", "--rotate", ring).error
    assert "invalid choice" in error
    assert "Ring." not in error


def test_derived_rings_cannot_be_rotated(dfns, settings):
    settings.DFNS_LOGIN = {}
    settings.DEBUG = True
    said = dfns("keys", "--rotate", "codes", "--json")
    assert said.json == {"error": said.error}
    assert "no rings to rotate" in said.error


def test_the_list_shows_ids_but_no_key_material(dfns, rings):
    listed = dfns("keys", "--list", "--json")
    assert listed.json == {name: [key["kid"] for key in keys] for name, keys in rings.items()}
    shown = listed.out + dfns("keys", "--list").out
    assert [key for ring in rings.values() for key in ring if key.get("k", key.get("d")) in shown] == []


@pytest.mark.parametrize("verb", [["keys", "--list"], ["keys", "--rotate", "codes"], ["reencrypt"]])
def test_invalid_rings_are_reported_in_one_sentence(dfns, settings, verb):
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": {"codes": []}}
    said = dfns(*verb, "--json")
    assert said.json == {"error": said.error}
    assert said.error.startswith("DFNS_LOGIN['KEYS']: the ring 'codes'")


@pytest.mark.slow
def test_keys_can_be_generated_while_missing_rings_stop_every_other_command():
    environment = {"PATH": "/nowhere", **_environment(), "DFNS_LOGIN_KEYS": ""}
    command = [sys.executable, str(ROOT / "manage.py")]
    made = subprocess.run([*command, "dfns", "keys"], env=environment, capture_output=True, text=True, check=True)
    assert set(json.loads(made.stdout)) == {"codes", "challenges", "tokens", "at_rest", "decoys"}
    refused = subprocess.run([*command, "check"], env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "dfns_login.E002" in refused.stderr
    failed = subprocess.run(
        [*command, "dfns", "keys", "--list", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert (failed.returncode, json.loads(failed.stdout).keys()) == (1, {"error"})
    assert "Traceback" not in failed.stderr


def _environment() -> dict[str, str]:
    return {
        "PUBLIC_URL": "https://login.example.com",
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": "redis://localhost:1/0",
        "EMAIL_URL": "smtp+tls://mail.example.com:587",
        "DEFAULT_FROM_EMAIL": "login@example.com",
        "SECRET_KEY": "for-tests-only-and-long-enough-for-the-deployment-check-0123456789",
    }


# reencrypt


@pytest.mark.django_db
def test_every_key_is_re_encrypted(dfns, rings):
    place = make_organization()
    people = [make_person(place, f"{number}@example.co") for number in range(3)]
    before = dict(Credential.objects.values_list("pk", "encrypted_key_at_rest"))
    said = dfns("reencrypt", "--json")
    assert said.json == {"reencrypted": len(people), "kid": rings["at_rest"][0]["kid"]}
    after = dict(Credential.objects.values_list("pk", "encrypted_key_at_rest"))
    assert before.keys() == after.keys()
    assert not [pk for pk in before if bytes(before[pk]) == bytes(after[pk])]
    assert dfns("reencrypt").out.startswith("Re-encrypted 3 keys with")


@pytest.mark.django_db
def test_a_key_that_cannot_be_decrypted_is_named_and_does_not_stop_the_others(dfns, rings):
    place = make_organization()
    people = [make_person(place, f"{number}@example.co") for number in range(4)]
    lost, moved = (Credential.objects.get(account=person.account) for person in people[:2])
    Credential.objects.filter(pk=lost.pk).update(encrypted_key_at_rest=b"gAAAA")
    Credential.objects.filter(pk=moved.pk).update(
        encrypted_key_at_rest=Credential.objects.get(account=people[2].account).encrypted_key_at_rest
    )
    said = dfns("reencrypt", "--json")
    assert said.json == {"error": said.error}
    assert said.error.startswith("Re-encrypted 2 keys with")
    assert lost.pk in said.error
    assert moved.pk in said.error


@pytest.mark.django_db
def test_without_keys_nothing_is_re_encrypted(dfns):
    assert dfns("reencrypt", "--json").json["reencrypted"] == 0


# purge


@pytest.mark.django_db
def test_purge_prints_what_it_closed_and_deleted(dfns):
    jane = make_person()
    issue(jane.account.recipient, now=LONG_AGO)
    OneTimeCode.objects.all().close(how=CodeClosed.EXPIRED, now=LONG_AGO)
    issue(jane.account.recipient, now=NOW - timedelta(minutes=11))
    SpentToken.objects.create(jti="a", expires_at=LONG_AGO)
    AuditEvent.objects.create(
        kind=AuditKind.INVITED, organization=jane.account.organization, account=jane.account, at=LONG_AGO
    )
    said = dfns("purge", "--json")
    assert said.json == {
        "closed_codes": 1,
        "codes": 1,
        "spent_tokens": 1,
        "sessions": 0,
        "accounts": 0,
        "audit_events": 1,
    }
    assert (
        dfns("purge").out.strip() == "closed codes 0, codes 0, spent tokens 0, sessions 0, accounts 0, audit events 0"
    )


# Errors


@pytest.mark.django_db
def test_a_database_error_is_reported_without_a_traceback(dfns):
    def refuse(*_: object) -> None:
        raise OperationalError("host=db.example.com password=secret")

    with connection.execute_wrapper(refuse):
        said = dfns("accounts", "--json", "--state", "invited")
    assert said.json == {"error": said.error}
    assert "OperationalError" in said.error
    assert "secret" not in said.error


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["organization"], ["organization", "create"], ["invite"]])
def test_invalid_commands_are_refused(dfns, arguments):
    assert dfns(*arguments).error.startswith("Error: ")
