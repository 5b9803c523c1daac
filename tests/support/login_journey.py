"""The whole flow with a password-protected key."""

from dataclasses import dataclass, field, replace

import httpx
import pyrage
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.authenticators import PASSPHRASE, Members, SoftwareKey
from tests.support.live_project import Invitee, LiveProject, code_in


@dataclass(frozen=True, kw_only=True)
class Journey:
    """What each step of the flow sent and returned."""

    person: Invitee
    key: SoftwareKey = field(repr=False)
    registered: Members
    opened_without_code: Members = field(repr=False)
    asked: httpx.Response
    login_code: str = field(repr=False)
    opened_with_code: Members = field(repr=False)
    opened_with_code_again: httpx.Response
    pem: bytes = field(repr=False)
    token: str = field(repr=False)
    listed: httpx.Response
    logged_out: httpx.Response
    listed_after_logout: httpx.Response

    @property
    def released(self) -> Members:
        """The released key, with its id."""
        (released,) = self.opened_with_code["allowCredentials"]["passwordProtectedKey"]
        found: Members = released
        return found


def travel(scene: LiveProject) -> Journey:
    """Accept an invitation, register, get a code, decrypt the key, sign in, and sign out."""
    person = scene.invite()
    key = SoftwareKey.with_age_envelope()
    registered = scene.register(person, key)
    opened_without_code = scene.post("/auth/login/init", person.names)
    asked = scene.call("POST", "/auth/login/code", person.names)
    login_code = code_in(scene.mail_to(person.email, number=2))
    presenting = person.names | {"loginCode": login_code}
    opened = scene.post("/auth/login/init", presenting)
    opened_again = scene.call("POST", "/auth/login/init", presenting)
    (released,) = opened["allowCredentials"]["passwordProtectedKey"]
    pem = pyrage.passphrase.decrypt(released["encryptedPrivateKey"].encode(), PASSPHRASE)
    found = load_pem_private_key(pem, password=None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    signer = replace(key, private_key=found, credential_id=released["id"])
    answer = {
        "challengeIdentifier": opened["challengeIdentifier"],
        "firstFactor": signer.factor(opened["challenge"]),
    }
    token: str = scene.post("/auth/login", answer)["token"]
    return Journey(
        person=person,
        key=key,
        registered=registered,
        opened_without_code=opened_without_code,
        asked=asked,
        login_code=login_code,
        opened_with_code=opened,
        opened_with_code_again=opened_again,
        pem=pem,
        token=token,
        listed=scene.call("GET", "/auth/credentials", bearer=token),
        logged_out=scene.call("PUT", "/auth/logout", bearer=token),
        listed_after_logout=scene.call("GET", "/auth/credentials", bearer=token),
    )
