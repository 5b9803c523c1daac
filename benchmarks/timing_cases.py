"""The classes of account whose answers are timed, and what is sent for each.

Every class has a reference that must take as long: an unknown name that is shown a list of the same form, or a decoy
with the same algorithm. Import this after Django is set up.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, islice
from typing import Final

from dfns_login.ceremonies.decoys import decoy_account_id, decoy_algorithm, decoy_credentials
from dfns_login.models import AccountState, Credential, Organization
from dfns_login.usernames import Recipient
from dfns_login.verification.cose import COSE_ALGORITHMS
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import make_account, make_credential, make_organization

POOL: Final = 20
"""Names in each class. They take turns."""
ID_LENGTH: Final = 43
"""Characters of a credential id of 32 bytes, which software keys have."""
LEAK_US: Final = 250
Credentials = tuple[tuple[Kind, KeyAlgorithm], ...]

_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A class of account.

    like: the reference class; empty if it is one. code: the state of its login codes. ids: for each name, the
    credential that an answer names, if it is not the listed one.
    """

    name: str
    like: str
    recipients: Sequence[Recipient] = field(repr=False)
    code: str = ""
    leak_us: int = 0
    kind: str = "Key"
    algorithm: KeyAlgorithm = KeyAlgorithm.P256
    ids: Sequence[str] = ()


@dataclass(slots=True)
class Cast:
    """The organizations and accounts of the cases. pool: names in each class."""

    pool: int = POOL
    here: Organization = field(default_factory=make_organization)
    closed: Organization = field(default_factory=make_organization)
    keys: dict[KeyAlgorithm, SoftwareKey] = field(
        default_factory=lambda: {algorithm: SoftwareKey.make(algorithm) for algorithm in KeyAlgorithm}, repr=False
    )

    def __post_init__(self) -> None:
        self.closed.active = False
        self.closed.save()

    def names(
        self, *, shown: str = "", organization: str = "", fits: Callable[[Recipient], bool] = lambda _: True
    ) -> list[Recipient]:
        """Return unused names that are shown decoys of these kinds, whose ids have the length of software keys'."""

        def candidates() -> Iterator[Recipient]:
            for number in _numbers:
                recipient = Recipient(organization=organization or self.here.pk, username=f"p{number:08}@example.co")
                made_up = decoy_credentials(recipient)
                same_list = " ".join(kind for kind, _ in made_up) == shown
                if same_list and all(len(each) == ID_LENGTH for _, each in made_up) and fits(recipient):
                    yield recipient

        return list(islice(candidates(), self.pool))

    def known(
        self,
        *credentials: tuple[Kind | None, KeyAlgorithm],
        state: AccountState = AccountState.REGISTERED,
        organization: Organization | None = None,
    ) -> list[Recipient]:
        """Make accounts with these credentials; without a kind, a passkey. Unlisted names would be shown no decoys."""
        organization = organization or self.here
        recipients = self.names(organization=organization.pk)
        for recipient in recipients:
            account = make_account(organization, recipient.username, state=state)
            for kind, algorithm in credentials:
                key = SoftwareKey.make(kind=kind or Kind.KEY)
                credential = make_credential(account, replace(key, private_key=self.keys[algorithm].private_key))
                if kind is None:
                    type(credential).objects.filter(pk=credential.pk).update(kind="Fido2")
        return recipients


def named_cases(cast: Cast) -> list[Case]:
    """Return the classes of a request that names an account, without codes."""
    p256, p384 = KeyAlgorithm.P256, KeyAlgorithm.P384
    nobody, key = "unknown name", "unknown name, shown a key"
    passkey, passkeys = "unknown name, shown a passkey", "unknown name, shown two passkeys"
    elsewhere = f"or-{cast.here.pk[:2:-1]}"
    return [
        Case(name=nobody, like="", recipients=cast.names()),
        Case(name=key, like="", recipients=cast.names(shown="key")),
        Case(name=passkey, like="", recipients=cast.names(shown="webauthn")),
        Case(name=passkeys, like="", recipients=cast.names(shown="webauthn webauthn")),
        Case(name="another unknown name", like=nobody, recipients=cast.names()),
        Case(name=f"injected leak of {LEAK_US} µs", like=nobody, recipients=cast.names(), leak_us=LEAK_US),
        Case(name="unknown organization", like="", recipients=cast.names(organization=elsewhere)),
        Case(name="without credentials", like=nobody, recipients=cast.known()),
        Case(name="password-protected key", like=nobody, recipients=cast.known((Kind.PASSWORD_PROTECTED_KEY, p256))),
        Case(name="deactivated", like=nobody, recipients=cast.known((Kind.KEY, p256), state=AccountState.DEACTIVATED)),
        Case(name="invited", like=nobody, recipients=cast.known(state=AccountState.INVITED)),
        Case(
            name="deactivated organization",
            like="unknown organization",
            recipients=cast.known((Kind.KEY, p256), organization=cast.closed),
        ),
        Case(name="key", like=key, recipients=cast.known((Kind.KEY, p256))),
        Case(name="key, P-384", like=key, recipients=cast.known((Kind.KEY, p384))),
        Case(name="passkey", like=passkey, recipients=cast.known((None, p256))),
        Case(name="two passkeys", like=passkeys, recipients=cast.known((None, p256), (None, p256))),
    ]


def cases_with_codes(cast: Cast, *, like: str | None = None) -> list[Case]:
    """Return classes with codes in each state. like: their reference; by default, the first of the same state."""
    ppk = (Kind.PASSWORD_PROTECTED_KEY, KeyAlgorithm.P256)
    who: dict[str, Callable[[], list[Recipient]]] = {
        "unknown name": cast.names,
        "password-protected key": lambda: cast.known(ppk),
        "deactivated": lambda: cast.known(ppk, state=AccountState.DEACTIVATED),
        "invited": lambda: cast.known(state=AccountState.INVITED),
    }
    reference = "unknown name, open code"
    cases = [
        Case(name=f"{name}, open code", like=like or reference, recipients=make(), code="open")
        for name, make in who.items()
    ]
    if like is None:
        cases[0] = replace(cases[0], like="")
        return cases
    others = [("guesses used up", "spent"), ("expired code", "expired")]
    return [
        *cases,
        *(
            Case(name=f"password-protected key, {what}", like=like, recipients=cast.known(ppk), code=code)
            for what, code in others
        ),
    ]


def signing_cases(cast: Cast) -> list[Case]:
    """Return a decoy and a listed credential of each algorithm, as a key and as a passkey."""
    cases = []
    for kind, shown, among in (("Key", "key", tuple(KeyAlgorithm)), ("Fido2", "webauthn", tuple(COSE_ALGORITHMS))):
        for algorithm in among:

            def fits(name: Recipient, drawn: partial[KeyAlgorithm], algorithm: KeyAlgorithm = algorithm) -> bool:
                return drawn(name, decoy_credentials(name)[0][1]) is algorithm

            drawn = partial(drawn_algorithm, kind=kind, among=among)
            what = f"{'key' if kind == 'Key' else 'passkey'}, {algorithm.value}"
            decoys = cast.names(shown=shown, fits=partial(fits, drawn=drawn))
            held = cast.known((Kind.KEY if kind == "Key" else None, algorithm))
            cases += [
                Case(name=f"decoy {what}", like="", recipients=decoys, kind=kind, algorithm=algorithm),
                Case(name=f"listed {what}", like=f"decoy {what}", recipients=held, kind=kind, algorithm=algorithm),
            ]
    like = cases[0].name
    made_up, listed = ([listed_id(each) for each in case.recipients] for case in cases[:2])
    return [
        *cases,
        replace(cases[0], name="another decoy key, P-256", like=like),
        replace(cases[0], name=f"injected leak of {LEAK_US} µs", like=like, leak_us=LEAK_US),
        elsewhere(cast, made_up, name="decoy of another name", like=""),
        elsewhere(cast, listed, name="credential of another account", like="decoy of another name"),
    ]


def listed_id(name: Recipient) -> str:
    """Return the credential id that `login/init` lists for the name."""
    held = Credential.objects.filter(account__username=name.username, account__organization=name.organization)
    return held.values_list("credential_id", flat=True).first() or decoy_credentials(name)[0][1]


def elsewhere(cast: Cast, ids: Sequence[str], *, name: str, like: str) -> Case:
    """Return a class of unknown names with one of these ids each, which is verified as P-256 for that name."""

    def fitting(recipient: Recipient) -> Iterator[str]:
        among = tuple(KeyAlgorithm)
        drawn = ((each, drawn_algorithm(recipient, each, kind="Key", among=among)) for each in ids)
        return (each for each, algorithm in drawn if algorithm is KeyAlgorithm.P256)

    names = cast.names(fits=lambda recipient: any(fitting(recipient)))
    return Case(name=name, like=like, recipients=names, ids=[next(fitting(each)) for each in names])


def drawn_algorithm(name: Recipient, credential_id: str, *, kind: str, among: Sequence[KeyAlgorithm]) -> KeyAlgorithm:
    """Return the algorithm that a made-up credential of an unknown name is verified with."""
    owner = f"{name.organization} {decoy_account_id(name)} {kind}"
    return decoy_algorithm(credential_id, owner=owner, among=among)


def without_lists(cases: Sequence[Case]) -> list[Case]:
    """Compare all with the name that is shown no list, for requests whose answer shows none."""
    lists = f"{cases[0].name}, shown"
    kept = [case for case in cases if not case.name.startswith(lists)]
    return [replace(case, like=cases[0].name) if case.like.startswith(lists) else case for case in kept]
