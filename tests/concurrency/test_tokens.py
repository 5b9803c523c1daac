"""Sixty at once with one proof: one assertion is one session, one temporary token one account (R-51, R-83)."""

from django.contrib.auth import get_user_model

from dfns_login.models import Account, AccountState, CodePurpose, Credential, Organization, Session, SpentToken
from tests.support.authenticators import SoftwareKey
from tests.support.factories import issue, make_account, make_organization, make_person
from tests.support.parallel_requests import PARALLEL, Call, send, send_at_once
from tests.support.race_calls import presenting, successes

NOT_AUTHORIZED = (401, "Not Authorized.")
SPENT_CHALLENGE = (400, "Challenge token is not valid.")


def registration(web: str, account: Account, key: SoftwareKey) -> Call:
    """What registers the account, signed and ready."""
    code = issue(account.recipient, purpose=CodePurpose.REGISTRATION)
    names = {"username": account.username, "orgId": account.organization_id}
    opened = send(web, Call(path="/auth/registration/init", body={**names, "registrationCode": code})).body
    return Call(
        path="/auth/registration",
        body={"firstFactorCredential": key.credential(opened["challenge"])},
        bearer=opened["temporaryAuthenticationToken"],
    )


def invite(organization: Organization, email: str) -> Account:
    return make_account(organization, email, state=AccountState.INVITED)


def test_of_sixty_logins_with_one_assertion_one_gets_a_token(web: str) -> None:
    jane = make_person()
    for sessions in range(1, 6):
        opened = send(web, presenting(jane, issue(jane.account.recipient))).body
        login = Call(
            path="/auth/login",
            body={
                "challengeIdentifier": opened["challengeIdentifier"],
                "firstFactor": jane.key.factor(opened["challenge"]),
            },
        )
        answers = send_at_once(web, [login] * PARALLEL)
        assert successes(answers, refusal=SPENT_CHALLENGE) == 1
        assert Session.objects.filter(account=jane.account).count() == sessions


def test_of_sixty_registrations_with_one_token_one_registers(web: str) -> None:
    organization = make_organization()
    for number in range(5):
        account = invite(organization, f"invited-{number}@example.co")
        answers = send_at_once(web, [registration(web, account, SoftwareKey.make())] * PARALLEL)
        assert successes(answers, refusal=NOT_AUTHORIZED) == 1
        account.refresh_from_db()
        assert account.state == AccountState.REGISTERED
        assert Credential.objects.filter(account=account).count() == 1
        assert get_user_model().objects.filter(username__contains=account.username).count() == 1


def test_of_two_tokens_for_one_account_one_registers(web: str) -> None:
    organization = make_organization()
    for number in range(5):
        account = invite(organization, f"asked-twice-{number}@example.co")
        first, second = (registration(web, account, SoftwareKey.make()) for _ in range(2))
        answers = send_at_once(web, [first, second] * (PARALLEL // 2))
        assert successes(answers, refusal=NOT_AUTHORIZED) == 1
        assert Credential.objects.filter(account=account).count() == 1


def test_one_name_in_many_organizations_is_registered_in_each(web: str) -> None:
    for number in range(5):
        email = f"everywhere-{number}@example.co"
        accounts = [invite(make_organization(), email) for _ in range(PARALLEL // 3)]
        answers = send_at_once(web, [registration(web, account, SoftwareKey.make()) for account in accounts])
        assert {answer.status for answer in answers} == {200}
        assert Account.objects.filter(username=email).values("user").distinct().count() == len(accounts)


def test_of_twenty_accounts_that_register_one_credential_id_one_gets_it(web: str) -> None:
    organization, key = make_organization(), SoftwareKey.make()
    accounts = [invite(organization, f"same-key-{number}@example.co") for number in range(20)]
    answers = send_at_once(web, [registration(web, account, key) for account in accounts])
    assert successes(answers, refusal=(400, "The credential id is taken.")) == 1
    registered = Account.objects.filter(organization=organization, state=AccountState.REGISTERED)
    assert registered.count() == 1
    assert SpentToken.objects.count() > 0
