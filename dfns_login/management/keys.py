"""`dfns keys`, `dfns reencrypt`."""

import argparse
from typing import Final

from django.core.management import CommandError
from django.utils import timezone

from dfns_login.key_rings import Ring, key_ids, key_rings, new_rings, ring_texts, rotate_ring
from dfns_login.management.terminal import Parsers, Terminal, add_command
from dfns_login.proofs import reencrypt_keys

NAMED: Final = 10
"""The most ids that one message lists."""
AFTER_ROTATION: Final = {
    Ring.CODES: "Delete the old key from the ring REGISTRATION_CODE_LIFETIME later.",
    Ring.CHALLENGES: "Delete the old key from the ring CHALLENGE_LIFETIME_WITH_CODE later.",
    Ring.TOKENS: "Delete the old key from the ring TOKEN_LIFETIME later.",
    Ring.AT_REST: "Then run `manage.py dfns reencrypt`, and delete the old key from the ring.",
}
ROTATED: Final = [ring.value for ring in AFTER_ROTATION]


def add_commands(parsers: Parsers) -> None:
    keys = add_command(parsers, "keys", make_keys, "Print new key rings as JSON, for DFNS_LOGIN_KEYS.")
    which = keys.add_mutually_exclusive_group()
    which.add_argument(
        "--rotate",
        choices=ROTATED,
        metavar="RING",
        help=f"print the current rings with a new key in one of them: {', '.join(ROTATED)}",
    )
    which.add_argument("--list", action="store_true", dest="listing", help="list key ids, newest first")
    about = "Re-encrypt stored private keys with the newest key of the at_rest ring."
    add_command(parsers, "reencrypt", reencrypt, about)


def make_keys(given: argparse.Namespace, terminal: Terminal) -> None:
    if given.listing:
        ids = key_ids()
        terminal.print(ids, "\n".join(f"{name}: {', '.join(each)}" for name, each in ids.items()))
        return
    if given.rotate is None:
        terminal.print_json(new_rings(now=timezone.now()))
        return
    key_rings()  # invalid rings raise here
    configured = ring_texts()
    if not configured:
        raise CommandError(
            "There are no rings to rotate: DFNS_LOGIN['KEYS'] is empty, so they are derived from SECRET_KEY."
        )
    terminal.print_json(rotate_ring(configured, ring=Ring(given.rotate), now=timezone.now()))
    if not terminal.as_json:
        terminal.err.write(f"Deploy these rings to every host. {AFTER_ROTATION[Ring(given.rotate)]}")


def reencrypt(_given: argparse.Namespace, terminal: Terminal) -> None:
    current = key_ids()[Ring.AT_REST.value][0]
    done = reencrypt_keys()
    if done.undecryptable:
        raise CommandError(
            f"Re-encrypted {done.count} keys with {current}. {len(done.undecryptable)} cannot be decrypted and are "
            f"unchanged: {', '.join(done.undecryptable[:NAMED])}. Put the removed key back into the ring."
        )
    text = f"Re-encrypted {done.count} keys with {current}. You can now delete the older keys from the at_rest ring."
    terminal.print({"reencrypted": done.count, "kid": current}, text)
