"""The whole flow once, as the minimal client of `project.person` goes through it: for `make demo-check`."""

import secrets
from collections.abc import Callable

from project.mailbox import Email
from project.person import FlowError, Person, RefusedError

CODE_LINE_START = "@"


def emailed_code(mail: Email) -> str:
    """Return the code after the # on the last line, where browsers find it for autofill."""
    last = mail.text.strip().splitlines()[-1]
    if not last.startswith(CODE_LINE_START) or "#" not in last:
        raise FlowError(f"There is no code in the email {mail.subject!r}.")
    return last.rpartition("#")[2]


def expect(holds: object, what: str) -> None:
    """Print that a step succeeded.

    Raises: FlowError, if it did not.
    """
    if not holds:
        raise FlowError(f"This is not true: {what}")
    print(f"  ok  {what}", flush=True)


def refused(call: Callable[[], object], *, status: int) -> bool:
    """Return whether the call is refused with this status."""
    try:
        call()
    except RefusedError as refusal:
        return refusal.status == status
    return False


def run_flow(*, base_url: str, org_id: str, email: str, read_mail: Callable[[], Email]) -> None:
    """Walk an invited person through everything once, and print each step. `read_mail` waits for the next email.

    Raises: FlowError, RefusedError or OSError, at the first step that fails.
    """
    person = Person(base_url=base_url, org_id=org_id, email=email)
    password = secrets.token_urlsafe(16)
    print(f"{email} at {base_url}")
    invitation = read_mail()
    expect(invitation.recipient == email, "the invitation goes to the invited address")
    registered = person.register(emailed_code(invitation), password=password)
    expect(registered["user"]["orgId"] == org_id, "the registration code allows registering a key")
    without_code = person.open_login()["allowCredentials"]
    expect("passwordProtectedKey" not in without_code, "without a code the encrypted key is not released")
    person.ask_code()
    mail = read_mail()
    code = emailed_code(mail)
    expect(code not in mail.subject, "a login code is emailed, in the body only")
    wrong = "0000-0000-0000-0000"
    expect(refused(lambda: person.open_login(wrong), status=403), "a wrong code is refused: 403")
    challenge = person.open_login(code)
    expect(challenge["allowCredentials"]["passwordProtectedKey"], "the right code releases the encrypted key")
    expect(refused(lambda: person.open_login(code), status=403), "the same code again is refused: 403")
    token = person.complete_login(challenge, password=password)
    expect(token, "the password decrypts the key, the key signs the challenge, and the server returns a token")
    expect(len(person.list_credentials(token)) == 1, "the token lists the credentials")
    again = refused(lambda: person.complete_login(challenge, password=password), status=400)
    expect(again, "the same challenge again is refused: 400")
    person.call("PUT", "/auth/logout", bearer=token)
    expect(refused(lambda: person.list_credentials(token), status=401), "after signing out, the token is refused: 401")
    print("Everything works.", flush=True)
