"""A minimal Dfns client in Python. It registers a password-protected key, and signs in with it.

It creates, encrypts, decrypts and uses the private key. The server never sees the key or the password.
`python -m project.person register …` and `… login …` are for the terminal.
"""

import argparse
import base64
import getpass
import hashlib
import http.client
import json
import secrets
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import pyrage
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PATIENCE_SECONDS = 10
LEAST_WORK_FACTOR = 17
ATTEMPTS_AT_WORK_FACTOR = 5
Members = dict[str, Any]


class RefusedError(Exception):
    """The server refused the request."""

    def __init__(self, status: int, message: str, details: object = None) -> None:
        super().__init__(f"{status} {message}" + (f" {details}" if details else ""))
        self.status = status
        self.message = message


class FlowError(Exception):
    """The server's answer is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user of one server."""

    base_url: str
    org_id: str
    email: str

    @property
    def names(self) -> Members:
        return {"username": self.email, "orgId": self.org_id}

    def call(self, method: str, path: str, body: Members | None = None, *, bearer: str = "") -> Members:
        """Send one request.

        Raises: RefusedError, if the server refuses it. OSError, if the server does not answer.
        """
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, headers, method=method)  # noqa: S310  from the command line
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
                answer: Members = json.load(response)
                return answer
        except urllib.error.HTTPError as refusal:
            error = json.load(refusal)["error"]
            raise RefusedError(refusal.code, error["message"], error.get("details")) from None

    def register(self, registration_code: str, *, password: str) -> Members:
        """Make a key, encrypt it under the password, and register it."""
        opened = self.call("POST", "/auth/registration/init", self.names | {"registrationCode": registration_code})
        key = ec.generate_private_key(ec.SECP256R1())
        credential = {
            "credentialKind": "PasswordProtectedKey",
            "credentialName": "Made by project.person",
            "credentialInfo": attestation(key, opened["challenge"]),
            "encryptedPrivateKey": encrypted_key(key, password),
        }
        body = {"firstFactorCredential": credential}
        return self.call("POST", "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])

    def ask_code(self) -> None:
        self.call("POST", "/auth/login/code", self.names)

    def open_login(self, login_code: str | None = None) -> Members:
        return self.call("POST", "/auth/login/init", self.names | ({"loginCode": login_code} if login_code else {}))

    def complete_login(self, challenge: Members, *, password: str) -> str:
        """Decrypt the released key with the password, sign the challenge with it, and return the token.

        Raises: pyrage.DecryptError, if the password is wrong. The challenge is still valid.
        """
        released = challenge["allowCredentials"]["passwordProtectedKey"][0]
        key = opened_key(released["encryptedPrivateKey"], password)
        factor = {
            "kind": "PasswordProtectedKey",
            "credentialAssertion": assertion(key, challenge["challenge"], credential_id=released["id"]),
        }
        body = {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": factor}
        return str(self.call("POST", "/auth/login", body)["token"])

    def list_credentials(self, token: str) -> list[Members]:
        items: list[Members] = self.call("GET", "/auth/credentials", bearer=token)["items"]
        return items


def attestation(key: ec.EllipticCurvePrivateKey, challenge: str) -> Members:
    """Return `credentialInfo`: the public key, and its signature over the client data."""
    client_data = compact({"type": "key.create", "challenge": challenge})
    public_key = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    signed = compact({"clientDataHash": hashlib.sha256(client_data).hexdigest(), "publicKey": public_key})
    signature = key.sign(signed, ec.ECDSA(SHA256())).hex()
    return {
        "credId": base64url(secrets.token_bytes(32)),
        "clientData": base64url(client_data),
        "attestationData": base64url(compact({"publicKey": public_key, "signature": signature})),
    }


def assertion(key: ec.EllipticCurvePrivateKey, challenge: str, *, credential_id: str) -> Members:
    """Return `credentialAssertion`: the client data, signed."""
    client_data = compact({"type": "key.get", "challenge": challenge})
    signature = key.sign(client_data, ec.ECDSA(SHA256()))
    return {"credId": credential_id, "clientData": base64url(client_data), "signature": base64url(signature)}


def encrypted_key(key: ec.EllipticCurvePrivateKey, password: str) -> str:
    """Return the private key as an armored age passphrase file.

    Raises: FlowError, if this machine is too slow. pyrage picks the work factor that takes it about a second, and the
    server requires at least 17.
    """
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for _ in range(ATTEMPTS_AT_WORK_FACTOR):
        file = bytes(pyrage.passphrase.encrypt(pem, password, armored=True)).decode()
        if work_factor(file) >= LEAST_WORK_FACTOR:
            return file
    raise FlowError(f"This machine is too slow or too busy to encrypt a key with a work factor of {LEAST_WORK_FACTOR}.")


def work_factor(file: str) -> int:
    """Return the scrypt work factor in the header of an armored age file (C2SP age.md)."""
    stanza = base64.b64decode("".join(file.splitlines()[1:-1])).split(b"\n")[1]
    return int(stanza.split(b" ")[3])


def opened_key(file: str, password: str) -> ec.EllipticCurvePrivateKey:
    """Return the private key in an age file.

    Raises: pyrage.DecryptError, if the password is wrong.
    """
    key = load_pem_private_key(pyrage.passphrase.decrypt(file.encode(), password), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise FlowError("The released key is not an elliptic-curve key.")
    return key


def compact(value: Members) -> bytes:
    """Return JSON as `JSON.stringify` writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def base64url(data: bytes) -> str:
    """Encode as base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main() -> None:
    """Register or sign in at the terminal."""
    parser = argparse.ArgumentParser(prog="python -m project.person", description=__doc__.splitlines()[0])
    parser.add_argument("ceremony", choices=("register", "login"))
    parser.add_argument("email")
    parser.add_argument("organization")
    parser.add_argument("--url", default="http://localhost:8000")
    given = parser.parse_args()
    person = Person(base_url=given.url, org_id=given.organization, email=given.email)
    if given.ceremony == "register":
        code = input("Registration code: ")
        password = getpass.getpass("Choose a password: ")
        print("Encrypting the key under the password …")
        print("Registered:", person.register(code, password=password)["credential"]["uuid"])
        return
    person.ask_code()
    challenge = person.open_login(input("Login code from the email: "))
    token = ""
    while not token:
        try:
            token = person.complete_login(challenge, password=getpass.getpass("Password: "))
        except pyrage.DecryptError:
            print("Wrong password. Try again; you do not need a new code.")
    print("Signed in. The token:", token, sep="\n")
    for each in person.list_credentials(token):
        print(f"{each['kind']}  {each['credentialUuid']}  {each['name']}  {each['dateCreated']}")


if __name__ == "__main__":
    try:
        main()
    except (RefusedError, FlowError, OSError, http.client.HTTPException, KeyboardInterrupt, EOFError) as failure:
        sys.exit(f"{failure}")
