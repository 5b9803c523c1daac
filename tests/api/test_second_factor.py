"""Second factors, by the policy of the organization."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from dfns_login.models import Account, AccountState, CodePurpose, Organization, SecondFactor
from tests.support.api_client import message, open_login, post
from tests.support.authenticators import Kind, Members, SoftwareKey
from tests.support.factories import Person, issue, make_account, make_organization, make_person

pytestmark = pytest.mark.django_db


def organization(policy: SecondFactor) -> Organization:
    made = make_organization()
    made.second_factor = policy
    made.save()
    return made


def person(policy: SecondFactor) -> Person:
    keys = (SoftwareKey.make(kind=Kind.KEY), SoftwareKey.make(kind=Kind.KEY))
    return make_person(organization(policy), "jane@example.co", *keys)


def answer(client: Client, challenge: Members, *keys: SoftwareKey) -> Any:
    body = {"challengeIdentifier": challenge["challengeIdentifier"]}
    for name, key in zip(("firstFactor", "secondFactor"), keys, strict=False):
        body[name] = key.factor(challenge["challenge"])
    return post(client, "/auth/login", body)


@pytest.mark.parametrize(
    ("policy", "one", "two", "factor"),
    [
        (SecondFactor.NONE, 200, 401, "first"),
        (SecondFactor.OPTIONAL, 200, 200, "either"),
        (SecondFactor.REQUIRED, 401, 200, "either"),
    ],
)
def test_the_policy_decides_and_the_challenge_says_so(
    client: Client, policy: SecondFactor, one: int, two: int, factor: str
) -> None:
    jane = person(policy)
    challenge = open_login(client, jane.names).json()
    told = {(each["factor"], each["requiresSecondFactor"]) for each in challenge["supportedCredentialKinds"]}
    assert told == {(factor, policy == SecondFactor.REQUIRED)}
    assert answer(client, challenge, jane.keys[0]).status_code == one
    assert answer(client, open_login(client, jane.names).json(), *jane.keys).status_code == two


def test_one_credential_cannot_be_both_factors(client: Client) -> None:
    """R-55."""
    jane = person(SecondFactor.REQUIRED)
    refused = answer(client, open_login(client, jane.names).json(), jane.keys[0], jane.keys[0])
    assert (refused.status_code, message(refused)) == (401, "Not Authorized.")


def test_one_key_under_two_credential_ids_cannot_be_both_factors(client: Client) -> None:
    """R-55."""
    key = SoftwareKey.make(kind=Kind.KEY)
    copy = replace(key, credential_id=SoftwareKey.make().credential_id)
    jane = make_person(organization(SecondFactor.REQUIRED), "jane@example.co", key, copy)
    refused = answer(client, open_login(client, jane.names).json(), key, copy)
    assert (refused.status_code, message(refused)) == (401, "Not Authorized.")


def test_a_second_factor_of_another_account_is_refused(client: Client) -> None:
    jane = person(SecondFactor.REQUIRED)
    mallory = make_person(jane.account.organization, "mallory@example.co", SoftwareKey.make(kind=Kind.KEY))
    refused = answer(client, open_login(client, jane.names).json(), jane.keys[0], mallory.key)
    assert (refused.status_code, message(refused)) == (401, "Not Authorized.")


def test_a_faulty_second_factor_fails_the_login(client: Client) -> None:
    jane = person(SecondFactor.OPTIONAL)
    challenge = open_login(client, jane.names).json()
    body = {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": jane.keys[0].factor(challenge["challenge"]),
        "secondFactor": jane.keys[1].factor("another challenge"),
    }
    assert post(client, "/auth/login", body).status_code == 401


def register(client: Client, policy: SecondFactor, *, second: bool) -> Any:
    account = make_account(organization(policy), "kim@example.co", state=AccountState.INVITED)
    code = issue(account.recipient, purpose=CodePurpose.REGISTRATION)
    names = {"username": account.username, "orgId": account.organization_id}
    opened = post(client, "/auth/registration/init", {**names, "registrationCode": code}).json()
    body = {"firstFactorCredential": SoftwareKey.make(kind=Kind.KEY).credential(opened["challenge"])}
    if second:
        body["secondFactorCredential"] = SoftwareKey.make(kind=Kind.KEY).credential(opened["challenge"])
    return post(client, "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])


@pytest.mark.parametrize(
    ("policy", "one", "two"),
    [(SecondFactor.NONE, 200, 400), (SecondFactor.OPTIONAL, 200, 200), (SecondFactor.REQUIRED, 400, 200)],
)
def test_the_policy_decides_how_many_credentials_a_registration_needs(
    client: Client, policy: SecondFactor, one: int, two: int
) -> None:
    assert register(client, policy, second=False).status_code == one
    assert register(client, policy, second=True).status_code == two
    registered = Account.objects.filter(state=AccountState.REGISTERED)
    assert sorted(each.credentials.count() for each in registered) == [
        count for count, status in ((1, one), (2, two)) if status == 200
    ]


def test_with_a_required_second_factor_two_credentials_must_stay(client: Client) -> None:
    from tests.support.signed_in import SignedIn  # noqa: PLC0415

    jane = person(SecondFactor.REQUIRED)
    token = answer(client, open_login(client, jane.names).json(), *jane.keys).json()["token"]
    signed = SignedIn(client=client, person=jane, token=token)
    uuid = signed.call("GET", "/auth/credentials").json()["items"][1]["credentialUuid"]
    body = {"credentialUuid": uuid}
    challenge = signed.open_action("PUT", "/auth/credentials/deactivate", json.dumps(body))
    action = signed.complete_action(challenge, secondFactor=jane.keys[1].factor(challenge["challenge"]))
    refused = signed.call(
        "PUT",
        "/auth/credentials/deactivate",
        body,
        x_dfns_useraction=action.json()["userAction"],
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "last_credential")
