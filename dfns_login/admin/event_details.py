"""Details of an event, with links to the objects that they name."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.django_types import Text
from dfns_login.admin.rendering import NOTHING, change_url, moment
from dfns_login.models import (
    Account,
    AuditEvent,
    CodePurpose,
    Credential,
    CredentialKind,
    OneTimeCode,
    Session,
)

LABELS: Final[Mapping[str, Text]] = {
    "code": _("code"),
    "credential": _("credential"),
    "credentials": _("credentials"),
    "filters": _("filtered by"),
    "failures": _("wrong guesses before"),
    "kind": _("kind"),
    "method": _("method"),
    "notice": _("email about"),
    "operator": _("by operator"),
    "path": _("path"),
    "purpose": _("purpose"),
    "recoverable_from": _("can be completed from"),
    "records": _("list"),
    "rows": _("rows"),
    "session": _("session"),
    "sessions": _("sessions ended"),
    "sign_up": _("signed up"),
    "try": _("try"),
    "until": _("until"),
    "with_code": _("with an emailed code"),
}
TIMES: Final = frozenset({"recoverable_from", "until"})
INTERNAL: Final = frozenset({"mount", "request"})
"""What only the code that stored it reads."""
OBJECTS: Final[Mapping[str, type[Model]]] = {
    "code": OneTimeCode,
    "credential": Credential,
    "credentials": Credential,
    "notice": AuditEvent,
    "session": Session,
}
CHOICES: Final[Mapping[str, Mapping[str, Text]]] = {
    "kind": {each.value: each.label for each in CredentialKind},
    "purpose": {**{each.value: each.label for each in CodePurpose}, "action": gettext_lazy("User action")},
}


def details_in_brief(event: AuditEvent) -> str:
    """Render the details in one line, for a list. A link may lead to an object that was deleted."""
    return format_html_join(", ", "{}: {}", _described(event, link=_link))


def details_in_full(event: AuditEvent) -> str:
    """Render one detail a line. Each object takes a statement, which finds out whether it still exists."""
    found = [*_described(event, link=_checked_link)]
    if not found:
        return NOTHING
    lines = format_html_join("", "<dt>{}</dt><dd>{}</dd>", found)
    return format_html('<dl class="dfns-details">{}</dl>', lines)


def _described(event: AuditEvent, *, link: Callable[[type[Model], object], str]) -> Iterator[tuple[Text, str]]:
    for name, value in event.detail.items():
        label = LABELS.get(name, name)
        if name in INTERNAL:
            continue
        if name == "operator":
            model = Account if str(value).startswith("us-") else get_user_model()
            yield label, link(model, value)
        elif name in OBJECTS:
            each = value if isinstance(value, list) else [value]
            yield label, format_html_join(", ", "{}", ((link(OBJECTS[name], one),) for one in each))
        elif name in TIMES:
            yield label, moment(parse_datetime(str(value)))
        else:
            text = ", ".join(map(str, value)) or NOTHING if isinstance(value, list) else value
            yield label, str(CHOICES.get(name, {}).get(str(text), text))


def _link(model: type[Model], value: object) -> str:
    """Render a link to the object with this ID, without looking whether there is one."""
    try:
        row = model(pk=model._meta.pk.to_python(value))
    except ValidationError:
        return str(value)
    url = change_url(row)
    return format_html('<a href="{}">{}</a>', url, _named(model, value)) if url else _named(model, value)


def _checked_link(model: type[Model], value: object) -> str:
    try:
        exists = model._default_manager.filter(pk=model._meta.pk.to_python(value)).exists()
    except ValidationError:
        return str(value)
    return _link(model, value) if exists else gettext("%(id)s (deleted)") % {"id": value}


def _named(model: type[Model], value: object) -> str:
    """Return the text of a link."""
    if model is OneTimeCode:
        return gettext("code %(id)s") % {"id": value}
    return gettext("event %(id)s") % {"id": value} if model is AuditEvent else str(value)
