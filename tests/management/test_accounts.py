"""`dfns organization create`, `dfns invite`, `dfns enroll`, `dfns accounts`, `dfns unlock`."""

import json
import os
import sqlite3
import subprocess
import sys
import tracemalloc
from contextlib import closing
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from dfns_login.ceremonies import enrollment
from dfns_login.models import Account, AccountState, AuditEvent, CodePurpose, OneTimeCode, Organization
from dfns_login.proofs.codes import derive_code
from dfns_login.tasks import deliver
from tests.support.factories import make_account, make_organization, make_user
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db

SHOWN = ("id", "organization", "state", "kind")
INVITED = {"id", "organization", "username", "email", "kind", "state", "user", "created_at"}


def test_an_organization_is_created(dfns):
    said = dfns("organization", "create", " Acme ", "--json")
    made = Organization.objects.get()
    assert said.json == {"id": made.pk, "name": "Acme"}
    assert dfns("organization", "create", "Other").out.split()[1] == "Other"


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "a\nb", "a\x1b[31m", "a\0b"])
def test_an_invalid_organization_name_is_refused(dfns, name):
    said = dfns("organization", "create", name, "--json")
    assert said.json == {"error": said.error}
    assert said.error.startswith(("This field cannot be blank", "Ensure this value", "Enter a name"))
    assert not Organization.objects.exists()


def test_a_person_is_invited_to_the_only_organization(dfns):
    place = make_organization()
    make_organization("Gone").delete()
    Organization.objects.create(name="Closed", active=False)
    said = dfns("invite", "Jane@Example.co", "--json")
    account = Account.objects.get()
    assert set(said.json) == {*INVITED, "code_expires_at", "code_email", "url"}
    assert said.json["id"] == account.pk
    assert said.json["organization"] == place.pk
    assert (said.json["username"], said.json["email"]) == ("jane@example.co", "Jane@Example.co")
    assert (said.json["kind"], said.json["state"], said.json["user"]) == ("EndUser", "invited", None)
    row = OneTimeCode.objects.get()
    assert (row.purpose, row.recipient, row.agent, row.address) == (
        CodePurpose.REGISTRATION,
        "jane@example.co",
        "manage.py dfns",
        "",
    )
    assert said.json["code_expires_at"] == row.expires_at.isoformat()


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_an_invitation_never_prints_the_code(dfns, caplog, form):
    make_organization()
    said = dfns("invite", "jane@example.co", *form)
    code = derive_code(OneTimeCode.objects.get())
    for form_of_it in (code, code.replace("-", "")):
        assert form_of_it not in said.out + said.err + caplog.text


def test_an_invitation_says_whether_its_code_was_emailed(dfns, mailoutbox, settings):
    """R-144."""
    make_organization()
    said = dfns("invite", "jane@example.co").out
    assert "waits to be emailed" in said
    link = f"/register/?organization={Organization.objects.get().pk}#jane%40example.co\n"
    assert said.endswith(link)  # console backends encode long lines, and nobody can open what they print
    assert dfns("invite", "jane@example.co", "--json").json["code_email"] == "queued"
    OneTimeCode.objects.update(asked_at=timezone.now() + timedelta(seconds=5))  # by a host whose clock is ahead
    deliver()
    said = dfns("invite", "jane@example.co").out
    assert "was emailed at" in said
    assert "again" not in said
    assert dfns("invite", "jane@example.co", "--json").json["code_email"] == "sent"
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "CODE_COOLDOWN": timedelta()}
    OneTimeCode.objects.update(asked_at=timezone.now(), handled_at=timezone.now())
    assert "and waits to be emailed again" in dfns("invite", "jane@example.co").out


def test_inviting_twice_keeps_the_account_and_its_code(dfns):
    make_organization()
    first, second = (dfns("invite", "jane@example.co", "--json").json for _ in range(2))
    assert first == second
    assert OneTimeCode.objects.count() == AuditEvent.objects.count() == 1


def test_with_several_organizations_one_must_be_chosen(dfns):
    places = [make_organization(f"Place {number}") for number in range(12)]
    said = dfns("invite", "jane@example.co", "--json")
    assert said.json == {"error": said.error}
    assert f"{places[0].pk} (Place 0)" in said.error
    assert said.error.endswith(", ….")
    assert "Place 11" not in said.error
    assert (
        dfns("invite", "jane@example.co", "--organization", places[7].pk, "--json").json["organization"] == places[7].pk
    )


def test_without_an_organization_the_error_says_how_to_create_one(dfns):
    assert "organization create" in dfns("invite", "jane@example.co").error


@pytest.mark.parametrize("given", ["or-nowhere", "", "Acme"])
def test_an_unknown_organization_is_refused(dfns, given):
    make_organization()
    assert "There is no organization with the id" in dfns("invite", "jane@example.co", "--organization", given).error


def test_an_inactive_organization_refuses_invitations(dfns):
    place = Organization.objects.create(name="Closed", active=False)
    said = dfns("invite", "jane@example.co", "--organization", place.pk, "--json")
    assert said.json == {"error": "The organization is not active."}
    assert not Account.objects.exists()


@pytest.mark.parametrize("email", ["", "jane", "jane@", "a@b.co, c@d.co", "a@b.co\nBcc: c@d.co", "jane@example.co\0"])
def test_an_invalid_address_is_refused(dfns, email):
    make_organization()
    said = dfns("invite", email, "--json")
    assert said.json == {"error": "Enter a valid email address."}
    assert not Account.objects.exists()


@pytest.mark.parametrize("state", [AccountState.REGISTERED, AccountState.DEACTIVATED])
def test_a_registered_account_is_not_invited_again(dfns, state):
    make_account(make_organization(), "jane@example.co", state=state)
    said = dfns("invite", "jane@example.co", "--json")
    assert said.json == {"error": "User already exists."}
    assert not OneTimeCode.objects.exists()


@pytest.mark.parametrize("by", ["pk", "username"])
def test_an_existing_user_is_linked(dfns, by):
    make_organization()
    user = make_user("boss")
    said = dfns("invite", "jane@example.co", "--user", str(getattr(user, by)), "--kind", "CustomerEmployee", "--json")
    assert (said.json["user"], said.json["kind"]) == (str(user.pk), "CustomerEmployee")
    assert Account.objects.get().user == user


@pytest.mark.parametrize("given", ["nobody", "99999999", "9" * 40, ""])
def test_an_unknown_user_is_refused(dfns, given):
    make_organization()
    assert "No user has" in dfns("invite", "jane@example.co", "--user", given).error


def test_a_key_that_is_also_a_username_is_ambiguous(dfns):
    make_organization()
    user = make_user("one")
    make_user(str(user.pk))
    assert "Several users have" in dfns("invite", "jane@example.co", "--user", str(user.pk)).error


def test_an_inactive_user_is_refused(dfns):
    make_organization()
    get_user_model().objects.create(username="gone", is_active=False)
    assert dfns("invite", "jane@example.co", "--user", "gone").error == "The user is not active."


def test_linking_an_invited_account_to_another_user_is_refused(dfns):
    make_organization()
    make_user("boss")
    dfns("invite", "jane@example.co")
    assert "not linked" in dfns("invite", "jane@example.co", "--user", "boss").error


def test_a_user_has_one_account_in_an_organization(dfns):
    make_organization()
    make_user("boss")
    dfns("invite", "jane@example.co", "--user", "boss")
    assert dfns("invite", "joe@example.co", "--user", "boss").error == "User already exists."


def test_accounts_are_listed_by_organization_and_state(dfns):
    one, two = make_organization("One"), make_organization("Two")
    make_account(one, "b@example.co")
    make_account(one, "a@example.co", state=AccountState.INVITED)
    make_account(two, "c@example.co")
    listed = dfns("accounts", "--json").json
    assert len(listed) == 3
    assert all(set(each) == INVITED for each in listed)
    assert [each["username"] for each in dfns("accounts", "--organization", one.pk, "--json").json] == [
        "a@example.co",
        "b@example.co",
    ]
    assert [each["username"] for each in dfns("accounts", "--state", "invited", "--json").json] == ["a@example.co"]
    (line,) = dfns("accounts", "--organization", two.pk).out.splitlines()
    assert line.split()[1:] == [two.pk, "registered", "EndUser", "c@example.co"]


def test_no_accounts_are_an_empty_list(dfns):
    assert dfns("accounts", "--json").json == []
    assert dfns("accounts").out == ""
    assert dfns("accounts", "--organization", "or-nowhere", "--json").json.keys() == {"error"}


class Counting(StringIO):
    """Counts what is written and discards it."""

    written = 0

    def write(self, text: str) -> int:
        self.written += len(text)
        return len(text)


def test_accounts_are_listed_in_pages(dfns, monkeypatch):
    """R-142. A cursor on the server would be lost behind a pooler."""
    monkeypatch.setattr("dfns_login.management.accounts.CHUNK", 2)
    monkeypatch.setattr(connection, "chunked_cursor", None)
    for place in (make_organization("One"), make_organization("Two"), make_organization("Three")):
        for number in range(3):
            make_account(place, f"{number}@example.co")
    listed = dfns("accounts", "--json").json
    shown = [(each["organization"], each["username"]) for each in listed]
    assert shown == sorted(shown)
    assert len(set(shown)) == 9


LISTS = [["accounts"], ["audit", "export"], ["audit", "verify"]]


@pytest.mark.parametrize(
    "broken", [OperationalError("secret"), InterfaceError("secret"), OSError("secret"), KeyError(1)]
)
@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_a_list_that_fails_halfway_is_one_error_in_json(arguments, broken, monkeypatch):
    """R-142. Half of an array was printed, and then a traceback."""

    def half(*_, **__):
        yield None
        raise broken

    for name in ("accounts._in_pages", "audit.entries", "audit.verify_trail"):
        monkeypatch.setattr(f"dfns_login.management.{name}", half)
    for name in ("accounts._row", "audit._row", "audit._problem_row", "audit._problem_text"):
        monkeypatch.setattr(f"dfns_login.management.{name}", lambda _: {"username": "jane", **dict.fromkeys(SHOWN, "")})
    out = StringIO()
    with pytest.raises((CommandError, type(broken))):
        call_command("dfns", *arguments, "--json", stdout=out)
    printed = json.loads(out.getvalue())
    assert printed.keys() == {"error"}
    assert "secret" not in printed["error"]


@pytest.mark.slow
def test_many_accounts_are_streamed():
    place = make_organization()
    Account.objects.bulk_create(
        [Account(organization=place, username=f"u{n}@example.co", email=f"u{n}@example.co") for n in range(20_000)],
        batch_size=1000,
    )
    connection.queries_log.clear()
    out = Counting()
    tracemalloc.start()
    call_command("dfns", "accounts", "--json", stdout=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.written > 4_000_000
    assert peak < out.written / 2


def test_a_long_list_is_valid_json(dfns):
    place = make_organization()
    for number in range(3):
        make_account(place, f"{number}@example.co")
    assert len(json.loads(dfns("accounts", "--json").out)) == 3


@pytest.mark.slow
def test_a_closed_pipe_is_not_an_error(tmp_path):
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "migrate", "--verbosity=0"], env=environment, check=True)
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database, database:
        database.execute(
            "INSERT INTO dfns_login_organization (id, name, active, second_factor, created_at, generation) "
            "VALUES ('or-1', 'A', 1, 'optional', '', 0)"
        )
        rows = [{"id": f"us-{n}", "name": f"u{n}@example.co"} for n in range(5000)]
        database.executemany(
            "INSERT INTO dfns_login_account "
            "(id, organization_id, username, email, kind, state, created_at, generation, locale, signed_up) "
            "VALUES (:id, 'or-1', :name, :name, 'EndUser', 'invited', '2026-01-01', 0, '', 0)",
            rows,
        )
    with subprocess.Popen(
        [*manage, "dfns", "accounts"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listing:
        assert listing.stdout.readline().startswith("us-0 ")
        listing.stdout.close()
        assert listing.stderr.read() == ""
    assert listing.returncode == 0


def test_a_locked_account_is_unlocked(dfns):
    """R-130."""
    account = make_account(make_organization())
    Account.objects.update(locked_until=timezone.now() + timedelta(hours=1))
    assert dfns("unlock", account.pk, "--json").json == {"id": account.pk, "locked": False}
    assert AuditEvent.objects.get().kind == "account.unlocked"
    assert dfns("unlock", account.pk).error == f"{account.pk} is not locked."
    assert dfns("unlock", "us-nobody").error == "There is no account with the id us-nobody."


# Enrolling users


@pytest.fixture
def crowd():
    """Users of a project: two ordinary ones, and some that are not enrolled by themselves."""
    create = get_user_model().objects.create
    create(username="root", email="root@example.co", is_superuser=True)
    create(username="staff", email="staff@example.co", is_staff=True)
    create(username="gone", email="gone@example.co", is_active=False)
    return [create(username=name, email=f"{name}@example.co") for name in ("jane", "lee")]


def test_every_ordinary_user_is_enrolled_once(dfns, crowd, monkeypatch):
    monkeypatch.setattr(enrollment, "CHUNK", 1)
    make_organization()
    rows = dfns("enroll", "--json").json
    assert [(row["user"], row["problem"]) for row in rows] == [(str(user.pk), "") for user in crowd]
    assert sorted(Account.objects.values_list("user__username", flat=True)) == ["jane", "lee"]
    assert OneTimeCode.objects.count() == 2
    assert dfns("enroll", "--json").json == []
    again = dfns("enroll")
    assert again.out == ""
    assert again.err.startswith("Nobody to enroll")


def test_staff_have_to_be_named(dfns, crowd):
    make_organization()
    assert "invited  staff" in dfns("enroll", "--user", "staff", "--user", "jane").out
    assert sorted(Account.objects.values_list("user__username", flat=True)) == ["jane", "staff"]


def test_who_was_enrolled_before_is_not_said_to_be_invited(dfns, crowd):
    make_organization()
    assert "  invited  jane" in dfns("enroll", "--user", "jane").out
    assert "  already invited, no email sent  jane" in dfns("enroll", "--user", "jane").out
    assert [each["invited"] for each in dfns("enroll", "--user", "jane", "--json").json] == [False]


def test_a_user_who_cannot_be_enrolled_is_reported(dfns, crowd):
    make_organization()
    get_user_model().objects.filter(username="jane").update(email="")
    done = dfns("enroll")
    assert "not invited  jane: The user has no email address." in done.out
    assert "invited  lee" in done.out
    assert done.error == "1 user was not invited."
    get_user_model().objects.filter(username="jane").update(username="\x1b[2J\njane")
    assert "not invited  \\x1b[2J\\njane: The user" in dfns("enroll").out
    assert dfns("enroll", "--user", "nobody").error == "No user has the primary key or username nobody."


def test_enrolling_names_the_organization_if_there_are_several(dfns, crowd):
    first, second = make_organization("First"), make_organization("Second")
    assert dfns("enroll").error.startswith("Choose one with --organization")
    dfns("enroll", "--organization", second.pk)
    assert not first.accounts.exists()
    assert second.accounts.count() == 2
