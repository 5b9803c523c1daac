"""Tables on the page of an account: its newest credentials, sessions, codes and events."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.code_badges import code_badge, delivery_badge
from dfns_login.admin.rendering import RelatedRows, active_badge, link_to, list_url, moment, origin
from dfns_login.admin.sessions import session_badge
from dfns_login.models import Account, AuditEvent, Credential, OneTimeCode, Session

NEWEST: Final = 10
"""Rows shown in each table."""


def related_to(account: Account, *, may_view: Callable[[type[Model]], bool], now: datetime) -> Iterator[RelatedRows]:
    """Yield a table for each model that the operator may view, one SQL statement each."""
    if may_view(Credential):
        yield _credentials(account)
    if may_view(Session):
        yield _sessions(account, now=now)
    if may_view(OneTimeCode):
        yield _codes(account, now=now)
    if may_view(AuditEvent):
        yield _events(account)


def _credentials(account: Account) -> RelatedRows:
    newest = account.credentials.defer("encrypted_key_at_rest", "public_key").order_by("-created_at", "-pk")[:NEWEST]
    return RelatedRows(
        title=_("Credentials"),
        columns=(_("Credential"), _("Kind"), _("State"), _("Registered")),
        rows=[
            (
                link_to(each, each.name),
                each.get_kind_display(),
                active_badge(active=each.active),
                moment(each.created_at),
            )
            for each in newest
        ],
        list_url=list_url(Credential, account=account.pk),
    )


def _sessions(account: Account, *, now: datetime) -> RelatedRows:
    newest = account.sessions.select_related("credential", "account__organization").order_by("-pk")
    newest = newest.defer("jti", "django_session_key", "credential__encrypted_key_at_rest", "credential__public_key")
    return RelatedRows(
        title=_("Sessions"),
        columns=(_("Signed in"), _("State"), _("Last seen"), _("From")),
        rows=[
            (
                link_to(each, moment(each.issued_at)),
                session_badge(each, now=now),
                moment(each.last_seen_at),
                origin(each.address, each.agent),
            )
            for each in newest[:NEWEST]
        ],
        list_url=list_url(Session, account=account.pk),
    )


def _codes(account: Account, *, now: datetime) -> RelatedRows:
    mine = OneTimeCode.objects.filter(organization=account.organization_id, recipient=account.username)
    newest = mine.defer("salt", "key_id").order_by("-issued_at", "-pk")[:NEWEST]
    return RelatedRows(
        title=_("Issued codes"),
        columns=(_("Requested"), _("Purpose"), _("State"), _("Delivery")),
        rows=[
            (
                link_to(each, moment(each.issued_at)),
                each.get_purpose_display(),
                code_badge(each, now=now),
                delivery_badge(each, now=now),
            )
            for each in newest
        ],
        list_url=list_url(OneTimeCode, account=account.pk),
    )


def _events(account: Account) -> RelatedRows:
    newest = account.events.order_by("-at", "-pk")[:NEWEST]
    return RelatedRows(
        title=_("Events"),
        columns=(_("Time"), _("Event"), _("From")),
        rows=[
            (link_to(each, moment(each.at)), each.get_kind_display(), origin(each.address, each.agent))
            for each in newest
        ],
        list_url=list_url(AuditEvent, account=account.pk),
    )
