"""Rows are looked at. No form, however it is sent, adds, changes or deletes one (R-100)."""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from dfns_login.audit import record_event
from dfns_login.models import Account, AuditKind, OneTimeCode, Organization
from dfns_login.requester import Requester
from tests.support.admin_records import (
    ADMIN,
    MODELS,
    READ_ONLY,
    AdminRecords,
    act,
    make_code,
    operate,
    page_of,
    staff_client,
)

ALL = [f"{verb}_{model}" for verb in ("add", "change", "delete", "view") for model in MODELS]


def rows_of(model: str) -> list[dict[str, Any]]:
    return list(apps.get_model("dfns_login", model)._default_manager.order_by("pk").values())


@pytest.mark.parametrize("model", READ_ONLY)
def test_a_posted_change_is_refused(operator: Client, scene: AdminRecords, model: str) -> None:
    before = rows_of(model)
    pk = before[0]["id"]
    body = {"_save": "Save", "username": "x", "recipient": "x", "state": "registered", "active": "", "guesses": 0}
    assert operator.post(page_of(model, pk), body).status_code == 403
    assert operator.post(f"{ADMIN}/{model}/{pk}/delete/", {"post": "yes"}).status_code == 403
    assert rows_of(model) == before


@pytest.mark.parametrize("model", [model for model in READ_ONLY if model != "account"])
def test_nothing_is_added(operator: Client, scene: AdminRecords, model: str) -> None:
    before = rows_of(model)
    assert operator.get(f"{ADMIN}/{model}/add/").status_code == 403
    assert operator.post(f"{ADMIN}/{model}/add/", {"recipient": "x"}).status_code == 403
    assert rows_of(model) == before


@pytest.mark.parametrize("model", MODELS)
def test_no_list_deletes(operator: Client, scene: AdminRecords, model: str) -> None:
    before = rows_of(model)
    act(operator, model, "delete_selected", *(row["id"] for row in before))
    operator.post(
        f"{ADMIN}/{model}/", {"action": "delete_selected", "_selected_action": before[0]["id"], "post": "yes"}
    )
    assert rows_of(model) == before


def test_spent_tokens_have_no_page(operator: Client, db: None) -> None:
    assert operator.get(f"{ADMIN}/spenttoken/").status_code == 404


def test_an_organization_in_use_is_not_deleted(operator: Client, scene: AdminRecords) -> None:
    used = scene.account.organization
    assert operator.post(f"{ADMIN}/organization/{used.pk}/delete/", {"post": "yes"}).status_code == 403
    unused = Organization.objects.create(name="Empty")
    assert operator.post(f"{ADMIN}/organization/{unused.pk}/delete/", {"post": "yes"}).status_code == 302
    assert list(Organization.objects.all()) == [used]


@pytest.mark.parametrize("character", ["\x1b", "\u202e", "\u2028"])
def test_the_name_of_an_organization_is_printable(operator: Client, db: None, character: str) -> None:
    wrong = {"name": f"New{character}er", "second_factor": "required"}
    assert operator.post(f"{ADMIN}/organization/add/", wrong).status_code == 200
    assert not Organization.objects.exists()


def test_an_organization_is_added_and_renamed_and_nothing_else(operator: Client, db: None) -> None:
    operator.post(
        f"{ADMIN}/organization/add/", {"name": "New", "second_factor": "required", "active": "", "id": "or-mine"}
    )
    added = Organization.objects.get()
    assert (added.name, added.active, added.pk[:3]) == ("New", True, "or-")
    assert added.pk != "or-mine"
    assert added.second_factor == "required"
    operator.post(page_of("organization", added.pk), {"name": "Newer", "second_factor": "none", "active": ""})
    added.refresh_from_db()
    assert (added.name, added.active, added.second_factor) == ("Newer", True, "none")


@pytest.mark.slow
def test_who_may_only_look_can_only_look(scene: AdminRecords) -> None:
    viewer = staff_client(*(f"view_{model}" for model in MODELS))
    for page in scene.pages():
        response = viewer.get(page)
        assert response.status_code == 200, page
        assert b"/operate/" not in response.content, page
        assert b'name="action"' not in response.content, page
    before = [rows_of(model) for model in MODELS]
    for model, names in OPERATIONS.items():
        for row in rows_of(model):
            for name in names:
                assert operate(viewer, model, row["id"], name).status_code == 403
                act(viewer, model, name, row["id"])
    assert viewer.post(f"{ADMIN}/account/add/", {"email": "x@y.co"}).status_code == 403
    assert viewer.post(f"{ADMIN}/organization/add/", {"name": "x"}).status_code == 403
    assert [rows_of(model) for model in MODELS] == before


OPERATIONS = {
    "organization": ("deactivate", "reactivate"),
    "account": ("deactivate", "reactivate", "invite_again"),
    "credential": ("deactivate",),
    "session": ("end",),
    "onetimecode": ("revoke",),
}


def test_who_has_no_permission_sees_nothing(scene: AdminRecords) -> None:
    stranger = staff_client()
    for page in scene.pages()[1:]:
        assert stranger.get(page).status_code in {403, 404}, page


def test_an_account_shows_only_what_its_viewer_may_see(scene: AdminRecords) -> None:
    page = staff_client("view_account").get(page_of("account", scene.account.pk)).content
    assert b"192.0.2.7" not in page
    assert b"Events" not in page
    assert (
        b"Events" in staff_client("view_account", "view_auditevent").get(page_of("account", scene.account.pk)).content
    )


@pytest.mark.slow
def test_what_only_events_tell_takes_permission_to_view_them(scene: AdminRecords) -> None:
    """Every list and page, of somebody who may view everything else."""
    elsewhere = Requester(address="203.0.113.99", agent="", locale="")
    presented = make_code(
        scene.account.username, scene.account.organization_id, account=scene.account, closed_as="consumed"
    )
    at = presented.issued_at + timedelta(minutes=1)
    record_event(AuditKind.CODE_PRESENTED, account=scene.account, requester=elsewhere, now=at, purpose="login")
    record_event(AuditKind.SIGNED_IN, account=scene.account, requester=elsewhere, now=at + timedelta(days=300))
    told = (elsewhere.address, "ast sign-in", f"{at + timedelta(days=300):%Y-%m-%dT}")

    def pages_that_tell(client: Client) -> set[str]:
        pages = [page for page in scene.pages() if "auditevent" not in page]
        return {page for page in pages for text in told if text in client.get(page).content.decode()}

    models = [model for model in MODELS if model != "auditevent"]
    assert pages_that_tell(staff_client(*(f"view_{model}" for model in models))) == set()
    control = pages_that_tell(staff_client(*(f"view_{model}" for model in MODELS)))
    assert control >= {
        f"{ADMIN}/account/",
        page_of("account", scene.account.pk),
        page_of("onetimecode", presented.pk),
    }


def test_permission_to_change_one_model_is_none_for_another(scene: AdminRecords) -> None:
    others = [each for each in ALL if each != "change_onetimecode"]
    assert operate(staff_client(*others), "onetimecode", scene.code.pk, "revoke").status_code == 403
    assert operate(staff_client("change_onetimecode"), "onetimecode", scene.code.pk, "revoke").status_code == 302
    assert OneTimeCode.objects.get(pk=scene.code.pk).closed_as == "revoked"


def test_an_operation_is_a_post_with_a_token_of_somebody_signed_in(operator: Client, scene: AdminRecords) -> None:
    address = f"{ADMIN}/account/{scene.account.pk}/operate/deactivate/"
    assert operator.get(address).status_code == 405
    assert Client().post(address).status_code == 302
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = operator.cookies
    assert careful.post(address).status_code == 403
    assert Account.objects.get(pk=scene.account.pk).state == "registered"


def test_an_unknown_operation_is_not_found(operator: Client, scene: AdminRecords) -> None:
    assert operate(operator, "account", scene.account.pk, "delete").status_code == 404
    assert operate(operator, "account", "us-nobody", "deactivate").status_code == 404
