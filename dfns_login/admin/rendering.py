"""How the admin shows a state, a moment, and a way to another page. Everything that came from outside is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from dfns_login.admin.typed import Text

NOTHING = "\N{EN DASH}"


class Tone(StrEnum):
    """What a state means to an operator. Its mark is a shape besides a colour, and its text says it all."""

    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"
    OVER = "over"


def badge(text: Text, tone: Tone) -> SafeString:
    """A state in a word or two."""
    return format_html('<span class="dfns-badge dfns-{}">{}</span>', tone, text)


def moment(at: datetime | None) -> str:
    """The moment in the operator's time zone and language, to the second."""
    if at is None:
        return NOTHING
    local = localtime(at)
    return _time(local, f"{date_format(local, 'DATE_FORMAT')}, {date_format(local, 'H:i:s')}")


def moment_after(at: datetime, *, begin: datetime) -> str:
    """The moment beside an earlier one: without its day, where that is the same."""
    local = localtime(at)
    return _time(local, date_format(local, "H:i:s")) if local.date() == localtime(begin).date() else moment(at)


def page_of(row: Model) -> str:
    """Address of the row's own page; empty where the admin has none, as for a project's own user model."""
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def link_to(row: Model | None, text: Text | None = None) -> str:
    """The row's name, leading to its own page."""
    if row is None:
        return NOTHING
    address = page_of(row)
    label = str(row) if text is None else text
    return format_html('<a href="{}">{}</a>', address, label) if address else str(label)


def list_of(model: type[Model], **filters: str) -> str:
    """Address of the model's list, narrowed by its filters."""
    return f"{reverse(f'admin:{model._meta.app_label}_{model._meta.model_name}_changelist')}?{urlencode(filters)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedRows:
    """The newest rows that belong to a row, on its page. all_of_them: address of their list."""

    title: Text
    columns: Sequence[Text]
    rows: Sequence[Sequence[str]]
    all_of_them: str


def _time(local: datetime, text: str) -> str:
    return format_html('<time class="dfns-time" datetime="{}">{}</time>', local.isoformat(timespec="seconds"), text)
