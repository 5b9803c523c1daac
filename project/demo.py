"""Run the whole project on this machine, from Python packages alone (`make demo`).

It starts Valkey from a wheel, web, worker and scheduler over SQLite, invites one person, and prints each email as it is
sent. With `--check` it walks one person through the whole flow instead, and exits with 0 or 1.
"""

import argparse
import json
import os
import secrets
import signal
import sys
import time
from io import StringIO
from typing import Any, NoReturn

from django.contrib.auth import get_user_model
from django.core.management import call_command

from project.mailbox import Email
from project.processes import ProgramFailedError
from project.running import DemoFailedError, RunningProject, new_place

FIRST_PORT = 8000
EMAIL_SECONDS = 30.0
INVITED = "jane@example.com"
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def operate(*arguments: str) -> dict[str, Any]:
    """Run `manage.py dfns` with these arguments, and return its output."""
    output = StringIO()
    call_command("dfns", *arguments, "--json", stdout=output)
    value: dict[str, Any] = json.loads(output.getvalue())
    return value


def make_superuser() -> str:
    """Make the user `admin`, and return its password."""
    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser("admin", "admin@example.com", password)
    return password


def stop_on_signals() -> None:
    """Raise SystemExit on the signals that end a program, SIGINT included, which shells ignore in the background."""

    def leave(number: int, _frame: object) -> NoReturn:
        ignore_signals()
        raise SystemExit(0 if number == signal.SIGINT else 128 + number)

    for each in ENDING_SIGNALS:
        signal.signal(each, leave)


def ignore_signals() -> None:
    """Let nothing interrupt the stop."""
    for each in ENDING_SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def show_project(project: RunningProject) -> None:
    """Invite a person, print what to do next, and print emails until a signal comes."""
    place = project.place
    password = make_superuser()
    organization = operate("organization", "create", "Example")["id"]
    operate("invite", INVITED, "--organization", organization)
    python = os.path.relpath(sys.executable)
    print(
        f"""
  The project is running at {place.url}/

    Sign in        {place.url}/login/
    Emails         {place.url}/mail/   and below, as they are sent
    Admin          {place.url}/admin/dfns_login/   user admin, password {password}
    Organization   {organization}
    Invited        {INVITED}

  To register as {INVITED}, open the link in the invitation, enter the code and choose a password.
  You are then signed in. Sign out on the account page, and sign in again.
  To do the same without a browser, run in another terminal:

    {python} -m project.person register {INVITED} {organization} --url {place.url}
    {python} -m project.person login {INVITED} {organization} --url {place.url}

  Every official Dfns client works too: give it {place.url} and the organization above.
  `make demo-check` walks one person through the whole flow.

  Data and logs are in var/demo/{place.port}/ and are deleted at the next start. Press Ctrl-C to stop.
""",
        flush=True,
    )
    while True:
        for mail in project.new_mails():
            rule = f"── {mail.sent_at:%H:%M:%S} UTC ── to {mail.recipient} "
            print(f"{rule:─<78}\n{mail.subject}\n\n{mail.text.strip()}\n", flush=True)
        time.sleep(0.2)


def check_project(project: RunningProject) -> None:
    """Walk one person through the whole flow.

    Raises: DemoFailedError, at the first step that fails.
    """
    # showing the project needs no client
    from project.flow import run_flow  # noqa: PLC0415
    from project.person import FlowError, RefusedError  # noqa: PLC0415

    waiting: list[Email] = []

    def read_mail() -> Email:
        """Wait for the next email."""
        deadline = time.monotonic() + EMAIL_SECONDS
        while time.monotonic() < deadline:
            if waiting:
                return waiting.pop(0)
            waiting.extend(project.new_mails())
            time.sleep(0.05)
        raise DemoFailedError(f"No email came within {EMAIL_SECONDS:.0f} seconds.")

    organization = operate("organization", "create", "Example")["id"]
    operate("invite", INVITED, "--organization", organization)
    try:
        run_flow(base_url=project.place.url, org_id=organization, email=INVITED, read_mail=read_mail)
    except (FlowError, RefusedError, OSError) as error:
        raise DemoFailedError(f"The flow failed: {error}") from error


def main() -> None:
    """Start the project, show or check it, and stop it, whatever happens."""
    parser = argparse.ArgumentParser(prog="python -m project.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="walk through the whole flow once, and exit with 0 or 1")
    checking = parser.parse_args().check
    stop_on_signals()
    with new_place(first_port=FIRST_PORT) as place:
        project = RunningProject(place)
        os.environ.clear()
        os.environ.update(project.environment, LOG_LEVEL="WARNING")  # this process only prints emails
        try:
            project.start()
            (check_project if checking else show_project)(project)
        finally:
            ignore_signals()
            project.stop()


if __name__ == "__main__":
    try:
        main()
    except (DemoFailedError, ProgramFailedError, FileNotFoundError) as failure:
        sys.exit(f"\n{failure}")
