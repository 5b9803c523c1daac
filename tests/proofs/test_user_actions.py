"""User actions below the API: what they are bound to, when they expire, and races (R-85)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connections, transaction
from django.db.models import Q

from dfns_login.api.shapes import NewCredentialsBody, new_credentials
from dfns_login.ceremonies.credential_changes import activate_credential, deactivate_own_credential
from dfns_login.ceremonies.credentials import (
    add_credential,
    open_credential,
    show_code,
)
from dfns_login.ceremonies.new_credentials import NewCredential, store_credential, verify_credential
from dfns_login.ceremonies.recovery import RecoveryAnswer, complete_recovery
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.ceremonies.voiding import void_account
from dfns_login.errors import (
    BodyRefused,
    ChallengeRefused,
    LastFirstFactor,
    Refusal,
    TokenRefused,
    UserActionRefused,
    UserActionSpent,
)
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    CodePurpose,
    Credential,
    CredentialKind,
    OneTimeCode,
    Session,
    SpentToken,
)
from dfns_login.proofs.challenges import Ceremony, redeem_challenge
from dfns_login.proofs.presented_codes import PresentedCode
from dfns_login.proofs.signed_tokens import LEEWAY, TokenClass, sign_token
from dfns_login.proofs.temporary_tokens import issue_temporary_token
from dfns_login.proofs.user_actions import (
    LIFETIME,
    ActionRequest,
    announced_path,
    issue_user_action,
    redeem_user_action,
    spend_user_action,
)
from dfns_login.verification.assertion import KeyAssertion
from dfns_login.verification.attestation import KeyAttestation
from dfns_login.verification.evidence import NOTHING
from tests.support.authenticators import Kind, SoftwareKey, base64url, compact_json
from tests.support.clock import MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, Person, make_organization, make_person

pytestmark = pytest.mark.slow

PARALLEL = 60
REQUEST = ActionRequest(method="POST", path="/things", payload={"amount": 1})


def open_session(person: Person, *, jti: str = "one", now: datetime = NOW) -> Session:
    return Session.objects.create(
        jti=jti,
        account=person.account,
        credential=person.account.credentials.order_by("created_at").first(),
        issued_at=now,
        last_seen_at=now,
        expires_at=now + 12 * 60 * MINUTE,
    )


@pytest.fixture
def session(db: None) -> Session:
    return open_session(make_person())


def action(session: Session, *, now: datetime = NOW, request: ActionRequest = REQUEST) -> str:
    digest = request.digest(session=session)
    return issue_user_action(session, digest=digest, generation=session.account.generation, now=now)


# What it is bound to


def test_a_user_action_permits_the_request_that_was_signed(session: Session) -> None:
    redeemed = redeem_user_action(action(session), REQUEST, session=session, now=NOW)
    assert redeemed.expires_at == NOW + LIFETIME


@pytest.mark.parametrize(
    ("moment", "good"),
    [(-LEEWAY, True), (timedelta(0), True), (LIFETIME - SECOND, True), (LIFETIME, False), (LIFETIME + SECOND, False)],
)
def test_a_user_action_expires_after_five_minutes(session: Session, moment: timedelta, *, good: bool) -> None:
    assert timedelta(minutes=5) >= LIFETIME
    token = action(session)
    try:
        redeem_user_action(token, REQUEST, session=session, now=NOW + moment)
    except UserActionRefused:
        assert not good
    else:
        assert good


@pytest.mark.parametrize("made", TokenClass)
def test_no_other_class_of_token_is_a_user_action(session: Session, made: TokenClass) -> None:
    """R-71."""
    token = sign_token(
        made,
        subject=session.account_id,
        organization=session.account.organization_id,
        jti="x",
        expires_at=NOW + LIFETIME,
        now=NOW,
        act=REQUEST.digest(session=session),
        gen=0,
    )
    if made is TokenClass.USER_ACTION:
        redeem_user_action(token, REQUEST, session=session, now=NOW)
    else:
        with pytest.raises(UserActionRefused):
            redeem_user_action(token, REQUEST, session=session, now=NOW)


def test_a_user_action_belongs_to_one_session(session: Session) -> None:
    token = action(session)
    person = Person(account=session.account, keys=())
    namesake = open_session(make_person(make_organization()), jti="two")
    for other in (open_session(person, jti="three"), namesake):
        with pytest.raises(UserActionRefused):
            redeem_user_action(token, REQUEST, session=other, now=NOW)


def test_a_spent_user_action_is_remembered_until_no_host_accepts_it(session: Session) -> None:
    redeemed = redeem_user_action(action(session), REQUEST, session=session, now=NOW)
    spend_user_action(redeemed, requester=SOMEWHERE)
    assert SpentToken.objects.values().get() == {"jti": redeemed.jti, "expires_at": NOW + LIFETIME + LEEWAY}
    with pytest.raises(UserActionSpent):
        spend_user_action(redeemed, requester=SOMEWHERE)


def test_voiding_the_account_voids_a_user_action(session: Session) -> None:
    """R-14, R-122."""
    token = action(session)
    void_account(session.account, ending=~Q(pk=session.pk), now=NOW)
    with pytest.raises(UserActionRefused):
        spend_user_action(redeem_user_action(token, REQUEST, session=session, now=NOW), requester=SOMEWHERE)
    session.account.refresh_from_db()
    spend_user_action(redeem_user_action(action(session), REQUEST, session=session, now=NOW), requester=SOMEWHERE)


def test_ending_the_session_voids_a_user_action(session: Session) -> None:
    """R-72, R-123."""
    redeemed = redeem_user_action(action(session), REQUEST, session=session, now=NOW)
    end_session(session, requester=SOMEWHERE, now=NOW)
    with pytest.raises(TokenRefused):
        spend_user_action(redeemed, requester=SOMEWHERE)


def test_all_spellings_of_no_payload_are_equal(session: Session) -> None:
    digests = {
        ActionRequest(method=method, path="/", payload=payload).digest(session=session)
        for payload in ("", {}, NOTHING)
        for method in ("put", "PUT")
    }
    assert len(digests) == 1
    for payload in (None, [], 0, False, " ", {"": None}):
        assert ActionRequest(method="PUT", path="/", payload=payload).digest(session=session) not in digests


def test_different_requests_have_different_digests(session: Session) -> None:
    """Neighboring parts do not run together."""
    payloads: list[Any] = [
        None,
        {},
        [],
        "{}",
        "[]",
        0,
        "0",
        0.0,
        False,
        "false",
        [None],
        {"a": 1},
        '{"a":1}',
        [["a", 1]],
    ]
    requests = [
        ActionRequest(method=method, path=path, payload=payload)
        for method in ("GET", "PUT")
        for path in ("/", "/a", "/a,", '/a"', '/a","', "//a")
        for payload in payloads
    ]
    assert len({each.digest(session=session) for each in requests}) == len(requests)


def test_the_text_of_a_request_does_not_show_its_body() -> None:
    """It may contain an encrypted key."""
    asked = ActionRequest(method="PUT", path="/auth/credentials/key", payload={"encryptedPrivateKey": "secret"})
    assert "secret" not in repr(asked)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/a", "/a"),
        ("/a%2Fb", "/a/b"),
        ("/a%252Fb", "/a%2Fb"),
        ("/%C3%AB", "/ë"),
        ("/ë", "/ë"),
        ("/a...b/.../c", "/a...b/.../c"),
        ("/a%3Fb%23c", "/a?b#c"),
    ],
)
def test_a_path_is_decoded_once(text: str, path: str) -> None:
    assert announced_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a/b",
        "..",
        "?",
        "https://localhost/a",
        "/a?",
        "/a?b=1",
        "/a#b",
        "/..",
        "/a/..",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/.%2E/b",
        "/a%2f..%2fb",
        "/a%00",
        "/a%0a",
        "/\x1b",
        "/a%C2%85",
    ],
)
def test_a_path_is_absolute_and_has_no_query(text: str) -> None:
    with pytest.raises(BodyRefused):
        announced_path(text)


# Once, where many come at once


@pytest.fixture
def recovery_key() -> SoftwareKey:
    return SoftwareKey.make(kind=Kind.RECOVERY_KEY)


@pytest.fixture
def signed_in(transactional_db: None, recovery_key: SoftwareKey) -> Session:
    """A session of a person with two keys and a recovery key, committed for threads to see."""
    keys = [SoftwareKey.make() for _ in range(2)]
    return open_session(make_person(None, "jane@example.co", *keys, recovery_key))


def at_once(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what each thread, with its own connection, returned, or its refusal."""
    barrier = Barrier(number)

    def run(each: int) -> Any:
        try:
            barrier.wait(timeout=60)
            return work(each)
        except Refusal as refusal:
            return type(refusal)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def test_one_of_sixty_parallel_uses_succeeds(signed_in: Session) -> None:
    """R-85."""
    token = action(signed_in)

    def use(number: int) -> str:
        redeemed = redeem_user_action(token, REQUEST, session=signed_in, now=NOW)
        with transaction.atomic():
            spend_user_action(redeemed, requester=SOMEWHERE)
            Group.objects.create(name=str(number))
        return "done"

    outcomes = at_once(PARALLEL, use)
    assert sorted(map(str, outcomes)) == sorted(["done", *[str(UserActionSpent)] * (PARALLEL - 1)])
    assert Group.objects.count() == 1


def test_control_check_then_spend_lets_several_pass(signed_in: Session) -> None:
    """The control."""
    looked = Barrier(10)

    def use_naively(number: int) -> str:
        if SpentToken.objects.filter(jti="x").exists():
            return "refused"
        looked.wait(timeout=60)
        SpentToken.objects.get_or_create(jti="x", defaults={"expires_at": NOW})
        Group.objects.create(name=str(number))
        return "done"

    assert at_once(10, use_naively).count("done") > 1


def test_a_failed_act_leaves_the_user_action_valid(signed_in: Session) -> None:
    """R-85."""
    redeemed = redeem_user_action(action(signed_in), REQUEST, session=signed_in, now=NOW)
    spent, failed = Event(), Event()

    def fail() -> None:
        msg = "the action failed"
        with transaction.atomic():
            spend_user_action(redeemed, requester=SOMEWHERE)
            spent.set()
            failed.wait(timeout=0.5)
            raise UserActionRefused(msg)

    def follow() -> str:
        spent.wait(timeout=60)
        with transaction.atomic():
            spend_user_action(redeemed, requester=SOMEWHERE)
        return "done"

    assert at_once(2, lambda number: (fail, follow)[number]()) == [UserActionRefused, "done"]


def test_two_parallel_deactivations_leave_one_first_factor(signed_in: Session) -> None:
    """R-84."""
    account = signed_in.account
    uuids = list(account.credentials.first_factors().values_list("pk", flat=True))

    def deactivate(number: int) -> str:
        with transaction.atomic():
            deactivate_own_credential(account, uuids[number], requester=SOMEWHERE, now=NOW)
        return "done"

    for _ in range(10):
        account.credentials.update(active=True)
        assert set(at_once(2, deactivate)) == {"done", LastFirstFactor}
        assert account.credentials.first_factors().count() == 1


def test_control_count_then_deactivate_leaves_no_first_factor(signed_in: Session) -> None:
    """The control."""
    account = signed_in.account
    uuids = list(account.credentials.first_factors().values_list("pk", flat=True))
    counted = Barrier(2)

    def deactivate_naively(number: int) -> str:
        others = account.credentials.first_factors().exclude(pk=uuids[number]).count()
        counted.wait(timeout=60)
        if others:
            Credential.objects.deactivate(credential=Credential(pk=uuids[number]))
        return "done"

    at_once(2, deactivate_naively)
    assert account.credentials.first_factors().count() == 0


def test_parallel_deactivations_of_one_credential_are_one_event(signed_in: Session) -> None:
    account = signed_in.account
    uuid = account.credentials.first_factors().values_list("pk", flat=True)[0]

    def deactivate(_: int) -> str:
        with transaction.atomic():
            deactivate_own_credential(account, uuid, requester=SOMEWHERE, now=NOW)
        return "done"

    assert at_once(5, deactivate) == ["done"] * 5
    assert AuditEvent.objects.filter(kind=AuditKind.CREDENTIAL_DEACTIVATED).count() == 1


def test_parallel_codes_leave_one_open(signed_in: Session) -> None:
    def show(_: int) -> str:
        with transaction.atomic():
            return show_code(signed_in.account, expires_at=NOW + MINUTE, requester=SOMEWHERE, now=NOW)

    assert len(set(at_once(10, show))) == 10
    assert OneTimeCode.objects.open().filter(purpose=CodePurpose.CREDENTIAL).count() == 1


# Nothing survives a recovery, wherever it stands when that comes


def recovery(account: Account, *, by: SoftwareKey) -> tuple[str, RecoveryAnswer]:
    """Return the token of an open recovery, and the answer that completes it."""
    presented = PresentedCode(recipient=account.recipient, purpose=CodePurpose.RECOVERY, presented_at=NOW)
    challenge, token = issue_temporary_token(account, presented=presented, now=NOW)
    signed = {"firstFactorCredential": SoftwareKey.make().credential(challenge)}
    proof = by.answer(base64url(compact_json(signed).encode()))
    body = NewCredentialsBody(data=signed)
    body.is_valid(raise_exception=True)
    answer = RecoveryAnswer(
        credential_id=by.credential_id,
        assertion=KeyAssertion(client_data=proof["clientData"], signature=proof["signature"]),
        new=new_credentials(body.validated_data),
        signed=signed,
    )
    return token, answer


def test_two_recoveries_do_not_share_a_recovery_key(signed_in: Session, recovery_key: SoftwareKey) -> None:
    """R-81: the second is verified when the first commits."""
    account = signed_in.account
    recoveries = [recovery(account, by=recovery_key) for _ in range(2)]
    recovered, going_on = Event(), Event()

    def recover() -> str:
        token, answer = recoveries[0]
        with transaction.atomic():
            complete_recovery(token, answer, requester=SOMEWHERE, now=NOW + SECOND)
            recovered.set()
            going_on.wait(timeout=0.5)
        return "done"

    def recover_too() -> str:
        token, answer = recoveries[1]
        recovered.wait(timeout=60)
        complete_recovery(token, answer, requester=SOMEWHERE, now=NOW + SECOND)
        return "done"

    assert at_once(2, lambda number: (recover, recover_too)[number]()) == ["done", TokenRefused]
    assert account.credentials.first_factors().count() == 1
    assert AuditEvent.objects.filter(kind=AuditKind.RECOVERED).count() == 1


Overtaken = Callable[[Account, NewCredential, str], object]


def add(account: Account, new: NewCredential, identifier: str) -> None:
    add_credential(account, new, identifier, requester=SOMEWHERE, now=NOW + SECOND)


def add_without_holding(account: Account, new: NewCredential, identifier: str) -> None:
    redeemed = redeem_challenge(identifier, ceremony=Ceremony.CREDENTIAL, now=NOW)
    made = verify_credential(new, account=account, challenge=redeemed.challenge, now=NOW)
    store_credential(made, requester=SOMEWHERE, now=NOW + SECOND)


def activate(account: Account, *_: object) -> None:
    old = account.credentials.filter(kind="Key").order_by("pk").values_list("pk", flat=True)[0]
    activate_credential(account, old, requester=SOMEWHERE, now=NOW + SECOND)


def show(account: Account, *_: object) -> None:
    show_code(account, expires_at=NOW + MINUTE, requester=SOMEWHERE, now=NOW + SECOND)


@pytest.mark.parametrize(
    ("overtaken", "survivors"),
    [(add, 0), (add_without_holding, 1), (activate, 0), (show, 0)],
    ids=["add", "add, holding nothing", "activate", "show a code"],
)
def test_nothing_that_a_recovery_overtakes_survives_it(
    signed_in: Session, recovery_key: SoftwareKey, overtaken: Overtaken, survivors: int
) -> None:
    """R-81. A request with a live session continues while the recovery commits. The control takes no lock."""
    account = signed_in.account
    opened = open_credential(account, CredentialKind.KEY, now=NOW).opened
    info = SoftwareKey.make().register(opened.challenge)
    new = NewCredential(
        kind=CredentialKind.KEY,
        attestation=KeyAttestation(
            credential_id=info["credId"], client_data=info["clientData"], attestation_data=info["attestationData"]
        ),
    )
    token, answer = recovery(account, by=recovery_key)
    recovered, going_on = Event(), Event()

    def recover() -> str:
        with transaction.atomic():
            complete_recovery(token, answer, requester=SOMEWHERE, now=NOW + SECOND)
            recovered.set()
            going_on.wait(timeout=0.5)
        return "done"

    def go_on() -> str:
        recovered.wait(timeout=60)
        with transaction.atomic():
            overtaken(account, new, opened.identifier)
        return "done"

    outcomes = at_once(2, lambda number: (recover, go_on)[number]())
    assert outcomes[0] == "done"
    assert outcomes[1] == "done" if survivors else outcomes[1] in {ChallengeRefused, TokenRefused}
    assert account.credentials.usable().count() == 1 + survivors
    assert not OneTimeCode.objects.open().filter(purpose=CodePurpose.CREDENTIAL).exists()
