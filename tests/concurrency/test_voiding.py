"""What voids an account against what it voids, on PostgreSQL (R-122).

An act runs in a transaction that is not committed yet. Meanwhile something is issued to the account, by a host whose
clock is ahead, and used once the act is committed; or something that was issued before is used, and waits.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Event
from typing import Any

import pytest
from django.db import connections, transaction
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.api.shapes import NewCredentialsBody, new_credentials
from dfns_login.audit import record_event
from dfns_login.ceremonies.credential_changes import change_password, deactivate_credential
from dfns_login.ceremonies.credentials import (
    add_credential,
    add_credential_with_code,
    open_credential,
    open_credential_with_code,
    show_code,
)
from dfns_login.ceremonies.factors import FactorAnswer
from dfns_login.ceremonies.lockdown import lock_down
from dfns_login.ceremonies.login import LoginAnswer, LoginRequest, complete_login, open_login
from dfns_login.ceremonies.new_credentials import NewCredential, NewCredentials, store_credential, verify_credential
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.operators import (
    Operator,
    deactivate_account,
    deactivate_organization,
    reactivate_account,
    reactivate_organization,
)
from dfns_login.ceremonies.recovery import RecoveryAnswer, complete_recovery
from dfns_login.ceremonies.registration import complete_registration
from dfns_login.ceremonies.sign_out import end_every_session, end_other_sessions
from dfns_login.ceremonies.user_actions import ActionAnswer, complete_action, open_action
from dfns_login.errors import Refusal
from dfns_login.models import (
    Account,
    AccountState,
    AuditKind,
    Caller,
    CodePurpose,
    Credential,
    CredentialKind,
    LoginRecord,
    Session,
)
from dfns_login.proofs import (
    ActionRequest,
    Ceremony,
    ReleasedKey,
    issue_temporary_token,
    lock_session,
    lock_token,
    present_code,
    present_login_code,
    redeem_challenge,
    redeem_user_action,
    release_encrypted_keys,
    release_keys_for_action,
    spend_user_action,
)
from dfns_login.proofs.presented_codes import PresentedCode
from dfns_login.testing.authenticators import opaque_envelope
from dfns_login.verification.assertion import Fido2Assertion, KeyAssertion
from dfns_login.verification.attestation import KeyAttestation
from tests.concurrency.conftest import SOAK
from tests.support.authenticators import Kind, SoftwareKey, base64url, compact_json
from tests.support.clock import MINUTE, NOW, SECOND
from tests.support.databases import MigratedDatabases, working_on
from tests.support.factories import SOMEWHERE, Person, issue, make_account, make_credential, make_person
from tests.support.fido2_authenticator import Passkey

CLOCKS = {"ahead": NOW + 10 * SECOND, "behind": NOW - 10 * SECOND}
"""The clock of the host that issues and uses, while the host that voids reads `NOW`."""
ROUNDS = 100 if SOAK else 1
"""Races of each act against each thing, by each clock."""
HELD_SECONDS = 0.01 if SOAK else 0.1
"""How long an act holds its lock while the other request waits for it."""
REQUEST = ActionRequest(method="POST", path="/things", payload={"amount": 1})
OPERATOR = Operator(requester=SOMEWHERE)

Use = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Somebody with a key, a password-protected key, a recovery key and a passkey, signed in twice."""

    person: Person
    passkey: Passkey
    session: Session
    other: Session
    elsewhere: datetime

    @property
    def account(self) -> Account:
        return Account.objects.select_related("organization", "user").get(pk=self.person.account.pk)

    def read(self, session: Session) -> Session:
        """Return the session as a request has read it."""
        related = Session.objects.select_related("account__organization", "account__user", "credential")
        return related.get(pk=session.pk)

    @property
    def protected_key(self) -> Credential:
        return Credential.objects.get(account=self.person.account, kind=CredentialKind.PASSWORD_PROTECTED_KEY)


@pytest.fixture(scope="module", autouse=True)
def _postgres(migrated: MigratedDatabases, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), working_on(migrated.new()):
        yield


@pytest.fixture(params=CLOCKS.keys() if SOAK else ["ahead"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return new_scene(CLOCKS[request.param])


def new_scene(elsewhere: datetime) -> Scene:
    keys = [
        SoftwareKey.make(),
        SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY),
        SoftwareKey.make(kind=Kind.RECOVERY_KEY),
    ]
    person = make_person(None, "jane@example.co", *keys)
    passkey = Passkey.make(account_id=person.account.pk, origin="http://localhost:8000", rp_id="localhost")
    stored = make_credential(person.account, passkey.key)
    Credential.objects.filter(pk=stored.pk).update(kind=CredentialKind.FIDO2, backup_eligible=True)
    return Scene(
        person=person, passkey=passkey, session=session_of(person), other=session_of(person), elsewhere=elsewhere
    )


def session_of(person: Person) -> Session:
    return Session.objects.create(
        jti=base64url(SoftwareKey.make().spki)[-32:],
        account=person.account,
        credential=person.account.credentials.get(credential_id=person.key.credential_id),
        code_presented=True,
        issued_at=NOW,
        last_seen_at=NOW,
        expires_at=NOW + 600 * MINUTE,
    )


# What voids


def recovering(scene: Scene) -> Use:
    token, answer = recovery_of(scene, now=NOW)
    return lambda: complete_recovery(token, answer, requester=SOMEWHERE, now=NOW)


def recovery_of(scene: Scene, *, now: datetime) -> tuple[str, RecoveryAnswer]:
    account, by = scene.account, scene.person.keys[2]
    presented = PresentedCode(recipient=account.recipient, purpose=CodePurpose.RECOVERY, presented_at=now)
    challenge, token = issue_temporary_token(account, presented=presented, now=now)
    signed: dict[str, Any] = {"firstFactorCredential": SoftwareKey.make().credential(challenge)}
    proof = by.answer(base64url(compact_json(signed).encode()))
    body = NewCredentialsBody(data=signed)
    body.is_valid(raise_exception=True)
    return token, RecoveryAnswer(
        credential_id=by.credential_id,
        assertion=KeyAssertion(client_data=proof["clientData"], signature=proof["signature"]),
        new=new_credentials(body.validated_data),
        signed=signed,
    )


def deactivating(scene: Scene) -> Use:
    """Reactivated at once: the state of the account is not what refuses."""

    def act() -> None:
        deactivate_account(scene.account, operator=OPERATOR, now=NOW)
        reactivate_account(scene.account, operator=OPERATOR, now=NOW)

    return act


def deactivating_the_organization(scene: Scene) -> Use:
    def act() -> None:
        deactivate_organization(scene.account.organization, operator=OPERATOR, now=NOW)
        reactivate_organization(scene.account.organization, operator=OPERATOR, now=NOW)

    return act


def removing_a_credential(scene: Scene) -> Use:
    removed = scene.protected_key
    return lambda: deactivate_credential(removed, requester=SOMEWHERE, now=NOW)


def changing_the_password(scene: Scene) -> Use:
    uuid = scene.protected_key.pk
    session = scene.read(scene.other)
    return lambda: change_password(session, uuid, opaque_envelope(), requester=SOMEWHERE, now=NOW)


def signing_out_everywhere(scene: Scene) -> Use:
    session = scene.read(scene.other)
    return lambda: end_every_session(session, requester=SOMEWHERE, now=NOW)


def signing_out_everywhere_else(scene: Scene) -> Use:
    """R-184."""
    session = scene.read(scene.other)
    return lambda: end_other_sessions(session, requester=SOMEWHERE, now=NOW)


def locking_down(scene: Scene) -> Use:
    """R-130."""
    told = record_event(AuditKind.CREDENTIAL_CREATED, account=scene.account, requester=SOMEWHERE, now=NOW)
    notify_owner(told)
    return lambda: lock_down(lock_token(told), requester=SOMEWHERE, now=NOW)


ACTS = (
    locking_down,
    recovering,
    deactivating,
    deactivating_the_organization,
    removing_a_credential,
    changing_the_password,
    signing_out_everywhere,
    signing_out_everywhere_else,
)


# What is voided. Each is issued when it is called, and used when what it returns is called.


def login_challenge(scene: Scene) -> Use:
    recipient = scene.account.recipient
    asked = LoginRequest(organization=recipient.organization, recipient=recipient)
    opened = open_login(asked, requester=SOMEWHERE, now=scene.elsewhere).opened
    answer = LoginAnswer(challenge_identifier=opened.identifier, first_factor=signed(scene, opened.challenge))
    return lambda: complete_login(answer, requester=SOMEWHERE, now=scene.elsewhere)


def login_challenge_without_a_username(scene: Scene) -> Use:
    asked = LoginRequest(organization=scene.person.account.organization_id)
    opened = open_login(asked, requester=SOMEWHERE, now=scene.elsewhere).opened
    made = scene.passkey.answer(opened.challenge)
    factor = FactorAnswer(
        kind=CredentialKind.FIDO2,
        credential_id=scene.passkey.credential_id,
        assertion=Fido2Assertion(
            client_data=made["clientData"],
            authenticator_data=made["authenticatorData"],
            signature=made["signature"],
            user_handle=made["userHandle"],
        ),
    )
    answer = LoginAnswer(challenge_identifier=opened.identifier, first_factor=factor)
    return lambda: complete_login(answer, requester=SOMEWHERE, now=scene.elsewhere)


def signed(scene: Scene, challenge: str) -> FactorAnswer:
    key = scene.person.key
    made = key.answer(challenge)
    return FactorAnswer(
        kind=CredentialKind.KEY,
        credential_id=key.credential_id,
        assertion=KeyAssertion(client_data=made["clientData"], signature=made["signature"]),
    )


def action_challenge(scene: Scene) -> Use:
    session = scene.read(scene.session)
    opened = open_action(session, REQUEST, requester=SOMEWHERE, now=scene.elsewhere).opened
    answer = ActionAnswer(challenge_identifier=opened.identifier, first_factor=signed(scene, opened.challenge))
    return lambda: complete_action(answer, session=session, requester=SOMEWHERE, now=scene.elsewhere)


def user_action(scene: Scene) -> Use:
    session = scene.read(scene.session)
    opened = open_action(session, REQUEST, requester=SOMEWHERE, now=scene.elsewhere).opened
    answer = ActionAnswer(challenge_identifier=opened.identifier, first_factor=signed(scene, opened.challenge))
    token = complete_action(answer, session=session, requester=SOMEWHERE, now=scene.elsewhere)

    def use() -> None:
        redeemed = redeem_user_action(token, REQUEST, session=session, now=scene.elsewhere)
        with transaction.atomic():
            spend_user_action(redeemed, requester=SOMEWHERE)

    return use


def new_credential(challenge: str) -> NewCredential:
    made = SoftwareKey.make().register(challenge)
    attestation = KeyAttestation(
        credential_id=made["credId"], client_data=made["clientData"], attestation_data=made["attestationData"]
    )
    return NewCredential(kind=CredentialKind.KEY, attestation=attestation)


def credential_challenge(scene: Scene) -> Use:
    account = scene.account
    opened = open_credential(account, CredentialKind.KEY, now=scene.elsewhere).opened
    new = new_credential(opened.challenge)
    return lambda: add_credential(account, new, opened.identifier, requester=SOMEWHERE, now=scene.elsewhere)


def credential_code(scene: Scene) -> Use:
    with transaction.atomic():
        code, _expires_at = show_code(
            scene.account, expires_at=scene.elsewhere + 50 * SECOND, requester=SOMEWHERE, now=scene.elsewhere
        )
    return lambda: open_credential_with_code(code, CredentialKind.KEY, requester=SOMEWHERE, now=scene.elsewhere)


def credential_challenge_by_code(scene: Scene) -> Use:
    with transaction.atomic():
        code, _expires_at = show_code(
            scene.account, expires_at=scene.elsewhere + 50 * SECOND, requester=SOMEWHERE, now=scene.elsewhere
        )
    opened = open_credential_with_code(code, CredentialKind.KEY, requester=SOMEWHERE, now=scene.elsewhere).opened
    new = new_credential(opened.challenge)
    return lambda: add_credential_with_code(new, opened.identifier, requester=SOMEWHERE, now=scene.elsewhere)


def recovery_token(scene: Scene) -> Use:
    token, answer = recovery_of(scene, now=scene.elsewhere)
    return lambda: complete_recovery(token, answer, requester=SOMEWHERE, now=scene.elsewhere)


def login_code(scene: Scene) -> Use:
    code = issue(scene.account.recipient, now=scene.elsewhere)
    return lambda: present_code(scene.account.recipient, code, purpose=CodePurpose.LOGIN, now=scene.elsewhere)


def recovery_code(scene: Scene) -> Use:
    purpose = CodePurpose.RECOVERY
    code = issue(scene.account.recipient, purpose=purpose, now=scene.elsewhere)
    return lambda: present_code(scene.account.recipient, code, purpose=purpose, now=scene.elsewhere)


def session_of_the_removed_key(scene: Scene) -> Use:
    opened = session_of(scene.person)
    Session.objects.filter(pk=opened.pk).update(credential=scene.protected_key)
    session = scene.read(opened)

    def use() -> None:
        with transaction.atomic():
            lock_session(session, now=scene.elsewhere)

    return use


READ_ONLY = (login_challenge, login_challenge_without_a_username, credential_challenge, recovery_token)
"""Issuing these writes nothing, so it does not wait for the act."""
VOIDED = (
    *READ_ONLY,
    action_challenge,
    user_action,
    credential_code,
    credential_challenge_by_code,
    login_code,
    recovery_code,
    session_of_the_removed_key,
)


def each_round(scene: Scene) -> Iterator[Scene]:
    """Yield the scene, and in a long run as many new ones as are wanted."""
    yield scene
    for _ in range(ROUNDS - 1):
        yield new_scene(scene.elsewhere)


def refused(use: Use) -> bool:
    try:
        use()
    except Refusal:
        return True
    return False


def while_in_flight(act: Use, meanwhile: Callable[[], Any], *, wait: bool) -> Any:
    """Call `meanwhile` after the act and before its commit. `wait`: commit after it has returned, not while it runs."""
    acted, done = Event(), Event()

    def acting() -> None:
        try:
            with transaction.atomic():
                act()
                acted.set()
                done.wait(timeout=30 if wait else HELD_SECONDS)
        finally:
            acted.set()
            connections.close_all()

    def going_on() -> Any:
        try:
            acted.wait(timeout=30)
            return meanwhile()
        finally:
            done.set()
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        act_result, result = threads.submit(acting), threads.submit(going_on)
        act_result.result()
        return result.result()


@pytest.mark.parametrize("issuing", VOIDED)
def test_without_an_act_it_is_good(scene: Scene, issuing: Callable[[Scene], Use]) -> None:
    assert not refused(issuing(scene))


@pytest.mark.parametrize("issuing", READ_ONLY)
@pytest.mark.parametrize("act", ACTS)
def test_things_issued_before_an_act_commits_are_refused_afterwards(
    scene: Scene, act: Callable[[Scene], Use], issuing: Callable[[Scene], Use]
) -> None:
    for each in each_round(scene):
        use = while_in_flight(act(each), partial(issuing, each), wait=True)
        assert refused(use)


@pytest.mark.parametrize("issuing", VOIDED)
@pytest.mark.parametrize("act", ACTS)
def test_things_used_while_an_act_commits_are_refused(
    scene: Scene, act: Callable[[Scene], Use], issuing: Callable[[Scene], Use]
) -> None:
    for each in each_round(scene):
        acting, use = act(each), issuing(each)
        assert while_in_flight(acting, partial(refused, use), wait=False)


@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS.keys())
@pytest.mark.parametrize("issuing", [login_challenge, credential_challenge, login_code])
@pytest.mark.parametrize("act", [deactivating, deactivating_the_organization, signing_out_everywhere])
def test_things_issued_after_an_act_are_valid_whatever_the_clock(
    act: Callable[[Scene], Use], issuing: Callable[[Scene], Use], clock: datetime
) -> None:
    scene = new_scene(clock)
    act(scene)()
    assert not refused(issuing(scene))


@pytest.mark.parametrize("act", [deactivating, deactivating_the_organization])
def test_an_invitation_deactivated_meanwhile_registers_no_one(scene: Scene, act: Callable[[Scene], Use]) -> None:
    """Its code and the token of its code."""
    for each in each_round(scene):
        invited = make_account(each.account.organization, "kim@example.co", state=AccountState.INVITED)
        kim = replace(each, person=replace(each.person, account=invited))
        uses = [registration_token(kim), registration_code(kim)]
        assert while_in_flight(act(kim), lambda uses=uses: [refused(use) for use in uses], wait=False) == [True, True]


def registration_code(scene: Scene) -> Use:
    purpose = CodePurpose.REGISTRATION
    code = issue(scene.account.recipient, purpose=purpose, now=scene.elsewhere)
    return lambda: present_code(scene.account.recipient, code, purpose=purpose, now=scene.elsewhere)


def registration_token(scene: Scene) -> Use:
    account = scene.account
    presented = PresentedCode(recipient=account.recipient, purpose=CodePurpose.REGISTRATION, presented_at=NOW)
    challenge, token = issue_temporary_token(account, presented=presented, now=scene.elsewhere)
    new = NewCredentials(first_factor=new_credential(challenge))
    return lambda: complete_registration(token, new, requester=SOMEWHERE, now=scene.elsewhere)


@pytest.mark.parametrize("act", ACTS)
def test_only_the_sessions_that_an_act_keeps_are_live_afterwards(scene: Scene, act: Callable[[Scene], Use]) -> None:
    with transaction.atomic():
        act(scene)()
    live = Session.objects.live(now=scene.elsewhere, idle=timedelta(hours=1)).filter(account=scene.person.account)
    other = {scene.other.pk}
    kept = {changing_the_password: other, signing_out_everywhere_else: other}
    kept[removing_a_credential] = {scene.session.pk, scene.other.pk}
    assert set(live.values_list("pk", flat=True)) == kept.get(act, set())


def test_a_session_that_a_recovery_ends_meanwhile_is_released_no_new_key(scene: Scene) -> None:
    """R-123. The session was read before; the new key was stored since."""
    session = scene.read(scene.session)
    assert release_keys_for_action(session, now=scene.elsewhere)
    recovering(scene)()
    Credential.objects.filter(kind=CredentialKind.PASSWORD_PROTECTED_KEY).update(active=True)
    assert release_keys_for_action(session, now=scene.elsewhere) == []


def test_a_code_that_was_read_before_a_recovery_releases_nothing(scene: Scene) -> None:
    """R-122. One statement reads the code and the keys, so the code was sent for these keys."""
    login = read_login(scene)
    assert login()
    login = read_login(scene)
    recovering(scene)()
    assert refused(login)


def read_login(scene: Scene) -> Callable[[], list[ReleasedKey]]:
    code = issue(scene.account.recipient, now=scene.elsewhere)
    record = LoginRecord.read(scene.account.recipient, caller=Caller.STRANGER)

    def present() -> list[ReleasedKey]:
        presented = present_login_code(record, code, caller=Caller.STRANGER, now=scene.elsewhere, events=tuple)
        return release_encrypted_keys(record, presented=presented)

    return present


def test_control_by_clocks_the_wrong_ones_are_accepted_and_refused() -> None:
    """What a host that is ahead issues before the commit looks newer; what one that is behind issues later, older."""
    ahead, behind = map(new_scene, CLOCKS.values())
    assert while_in_flight(recovering(ahead), lambda: ahead.elsewhere, wait=True) > NOW
    recovering(behind)()
    assert behind.elsewhere < NOW


def test_control_without_the_lock_a_credential_survives_a_recovery(scene: Scene) -> None:
    """Compare the generation, then store."""
    account = scene.account
    opened = open_credential(account, CredentialKind.KEY, now=scene.elsewhere).opened
    new = new_credential(opened.challenge)

    def add_naively() -> None:
        redeemed = redeem_challenge(opened.identifier, ceremony=Ceremony.CREDENTIAL, now=scene.elsewhere)
        assert scene.account.generation <= redeemed.generation
        credential = verify_credential(new, account=account, challenge=redeemed.challenge, now=scene.elsewhere)
        store_credential(credential, requester=SOMEWHERE, now=scene.elsewhere)

    while_in_flight(recovering(scene), add_naively, wait=True)
    assert account.credentials.usable().count() == 2  # the recovery's, and the one that should have been refused
