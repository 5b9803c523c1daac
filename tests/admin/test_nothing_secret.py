"""No code, no salt, no sealed key, nothing a session is made of, on any page and by no address (R-22, R-100)."""

import base64

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dfns_login.models import OneTimeCode
from dfns_login.proofs.codes import derive_code
from tests.support.admin_records import ADMIN, DJANGO_SESSION, JTI, MODELS, SALT, SECRET_KEY_ID, AdminRecords, operate
from tests.support.factories import issue

pytestmark = pytest.mark.slow  # hundreds of pages of the admin

SECRET_COLUMNS = ("salt", "key_id", "encrypted_key_at_rest", "jti", "django_session_key", "public_key")


def secrets_of(scene: AdminRecords) -> list[bytes]:
    sealed = bytes(scene.credential.encrypted_key_at_rest or b"")
    envelope = scene.person.key.encrypted_private_key
    assert envelope
    raw = [SALT, sealed, envelope.encode(), SECRET_KEY_ID.encode(), DJANGO_SESSION.encode(), JTI.encode()]
    encoded = [base64.b64encode(each) for each in raw] + [base64.urlsafe_b64encode(each).rstrip(b"=") for each in raw]
    hexed = [SALT.hex().encode(), sealed.hex().encode(), repr(sealed).encode(), repr(SALT).encode()]
    return [*raw, *encoded, *hexed, sealed[:24], envelope[:24].encode()]


def test_no_page_shows_a_secret_or_runs_a_script(operator: Client, scene: AdminRecords) -> None:
    operate(operator, "account", scene.account.pk, "deactivate")
    operate(operator, "account", scene.account.pk, "reactivate")
    secrets = secrets_of(scene)
    for page in scene.pages():
        response = operator.get(page)
        assert response.status_code == 200, page
        body = response.content
        assert b"<script>alert" not in body, page
        found = [each for each in secrets if each in body]
        assert not found, page
        assert b"<memory at" not in body, page


def test_no_page_shows_the_code(operator: Client, scene: AdminRecords) -> None:
    OneTimeCode.objects.all().delete()
    code = issue(scene.account.recipient)
    assert code == derive_code(OneTimeCode.objects.get())
    for page in scene.pages():
        body = operator.get(page).content.decode()
        assert code not in body
        assert code.replace("-", "") not in body


def test_the_hostile_names_are_shown_escaped(operator: Client, scene: AdminRecords) -> None:
    """R-101."""
    for page in (f"{ADMIN}/account/", f"{ADMIN}/onetimecode/", f"{ADMIN}/session/", f"{ADMIN}/auditevent/"):
        assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in operator.get(page).content, page


@pytest.mark.parametrize("column", SECRET_COLUMNS)
def test_no_list_can_be_probed_by_a_secret_column(operator: Client, column: str) -> None:
    for model in MODELS:
        for lookup in ("", "__startswith", "__isnull", "__regex", "__gt"):
            assert operator.get(f"{ADMIN}/{model}/", {column + lookup: "a"}).status_code == 400, (model, lookup)


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("account", "credentials__encrypted_key_at_rest__startswith"),
        ("account", "codes__salt__startswith"),
        ("account", "user__password__startswith"),
        ("session", "credential__encrypted_key_at_rest__startswith"),
        ("session", "account__user__password__startswith"),
        ("organization", "accounts__credentials__encrypted_key_at_rest__startswith"),
        ("onetimecode", "account__credentials__encrypted_key_at_rest__startswith"),
        ("auditevent", "account__sessions__jti__startswith"),
        ("onetimecode", "recipient__startswith"),
    ],
)
def test_related_tables_show_no_secret(operator: Client, model: str, lookup: str) -> None:
    assert operator.get(f"{ADMIN}/{model}/", {lookup: "a"}).status_code == 400


def test_other_lists_of_the_admin_do_not_reach_ours(operator: Client, scene: AdminRecords) -> None:
    lookup = "dfns_accounts__credentials__encrypted_key_at_rest__startswith"
    assert operator.get("/admin/auth/user/", {lookup: "a"}).status_code == 400


@pytest.mark.parametrize("query", ["_to_field=salt", "_popup=1&_to_field=salt", "_to_field=encrypted_key_at_rest"])
def test_a_secret_column_cannot_be_searched(operator: Client, scene: AdminRecords, query: str) -> None:
    for model in ("onetimecode", "credential"):
        assert operator.get(f"{ADMIN}/{model}/?{query}").status_code == 400


@pytest.mark.parametrize("query", ["fields=salt", "format=json", "o=1.2.3", "o=-9", "all=", "_facets=True"])
def test_other_parameters_change_nothing(operator: Client, scene: AdminRecords, query: str) -> None:
    secrets = secrets_of(scene)
    for model in MODELS:
        response = operator.get(f"{ADMIN}/{model}/?{query}", follow=True)
        assert response.status_code in {200, 400}
        assert not [each for each in secrets if each in response.content]


def test_a_secret_is_not_even_read(operator: Client, scene: AdminRecords) -> None:
    for page in scene.pages():
        with CaptureQueriesContext(connection) as statements:
            operator.get(page)
        for each in statements.captured_queries:
            sql = each["sql"]
            for column in ('"salt"', '"key_id"', '"encrypted_key_at_rest"', '"jti"', '"django_session_key"'):
                assert column not in sql, (page, sql)


def test_looking_for_a_code_finds_none(operator: Client, scene: AdminRecords) -> None:
    OneTimeCode.objects.all().delete()
    code = issue(scene.account.recipient)
    for text in (code, code.replace("-", ""), SALT.decode(), SALT.hex()):
        page = operator.get(f"{ADMIN}/onetimecode/", {"q": text}).content.decode()
        assert "0 issued codes" in page
