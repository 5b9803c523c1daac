"""Query strings that the admin's own links never have."""

import pytest
from django.test import Client

from tests.support.admin_records import ADMIN, MODELS, AdminRecords

pytestmark = pytest.mark.slow

QUERIES = (
    "_changelist_filters=%00",
    "_facets=x",
    "_popup=x",
    "_to_field=x",
    "account=%00",
    "account=x%22",
    "account__pk=%00",
    "active=x",
    "all=x",
    "created_at__day=x",
    "created_at__gte=x",
    "created_at__year=999999",
    "e=1",
    "id__exact=%00",
    "id__in=x",
    "kind=%00",
    "o=-",
    "o=99",
    "organization=%00",
    "p=-1",
    "p=x",
    "pk__gte=zz",
    "purpose=%00",
    "q=%00",
    "state=%00",
    "x=",
)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("query", QUERIES)
def test_an_odd_query_causes_no_server_error(operator: Client, scene: AdminRecords, model: str, query: str) -> None:
    assert operator.get(f"{ADMIN}/{model}/?{query}").status_code < 500


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("page", ["change", "delete", "history", "operate/deactivate"])
@pytest.mark.parametrize("pk", ["%00", "a%00", "_00", "9" * 40, "%F0%9F%98%80", "..", "%0A"])
def test_an_odd_id_causes_no_server_error(
    operator: Client, scene: AdminRecords, model: str, page: str, pk: str
) -> None:
    path = f"{ADMIN}/{model}/{pk}/{page}/"
    assert operator.get(path).status_code < 500
    assert operator.post(path).status_code < 500


@pytest.mark.parametrize("model", MODELS)
def test_an_odd_id_in_a_list_action_causes_no_server_error(operator: Client, scene: AdminRecords, model: str) -> None:
    for pk in ("\0", "us-x", "9" * 40):
        body = {"action": "delete_selected", "_selected_action": pk}
        assert operator.post(f"{ADMIN}/{model}/", body).status_code < 500


def test_an_odd_term_of_the_autocomplete_causes_no_server_error(operator: Client, scene: AdminRecords) -> None:
    field = "app_label=dfns_login&model_name=account&field_name=organization"
    assert operator.get(f"/admin/autocomplete/?term=%00&{field}").status_code < 500
