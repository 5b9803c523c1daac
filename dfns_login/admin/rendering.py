"""How the admin shows states, times and links. Every value is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.django_types import Text
from dfns_login.delivery import device_with_version

NOTHING = "\N{EN DASH}"
AGENT_SHOWN = 60
WHOLE_FROM = 10
MINUTES_FROM = 120


class Tone(StrEnum):
    """What a state means to an operator. The style sheet gives each tone its own symbol, not only a color."""

    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"
    OVER = "over"


def badge(text: Text, tone: Tone) -> SafeString:
    """Render a state of one or two words."""
    return format_html('<span class="dfns-badge dfns-{}">{}</span>', tone, text)


def active_badge(*, active: bool) -> SafeString:
    """Render the state of an organization or credential."""
    return badge(_("Active"), Tone.GOOD) if active else badge(_("Deactivated"), Tone.OVER)


def moment(at: datetime | None) -> str:
    """Render a time to the second, in the operator's time zone and language."""
    if at is None:
        return NOTHING
    local = localtime(at)
    return _time(local, f"{date_format(local, 'DATE_FORMAT')}, {date_format(local, 'H:i:s')}")


def seconds(value: float | None) -> str:
    """Render a duration: to a tenth of a second below ten, in minutes above two. Nothing is just zero."""
    if value is None:
        return NOTHING
    if value >= MINUTES_FROM:
        return gettext("%(count)s min") % {"count": number_format(round(value / 60))}
    return gettext("%(count)s s") % {"count": number_format(value, decimal_pos=1 if 0 < value < WHOLE_FROM else 0)}


def moment_after(at: datetime, *, begin: datetime) -> str:
    """Render a time shown next to an earlier one: without the date if both are on the same day."""
    local = localtime(at)
    return _time(local, date_format(local, "H:i:s")) if local.date() == localtime(begin).date() else moment(at)


def agent_name(agent: str) -> str:
    """Name of the browser and system, such as "Chrome 141 on Windows"; the start of any other User-Agent header."""
    return device_with_version(agent) or Truncator(agent).chars(AGENT_SHOWN)


def whole_agent(agent: str) -> str:
    """Render the name with the whole header below it."""
    if not agent:
        return NOTHING
    name = agent_name(agent)
    below = format_html('<span class="dfns-under dfns-long" dir="ltr">{}</span>', agent) if name != agent else ""
    return format_html("{}{}", name, below)


def origin(address: str, agent: str) -> str:
    """Render where a request came from: its address, and below it the browser, with the whole header on hover."""
    if not agent:
        return address or NOTHING
    name = agent_name(agent)
    return format_html('{}<span class="dfns-under" title="{}">{}</span>', address or NOTHING, agent, name)


def with_below(text: Text, below: object) -> SafeString:
    """Render a text with a quieter one below it."""
    return format_html('{}<span class="dfns-under">{}</span>', text, below)


def change_url(row: Model) -> str:
    """URL of the row's admin page; empty if there is none, as for a user model that isn't registered."""
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def link_to(row: Model | None, text: Text | None = None) -> str:
    """Render a link to the row's admin page."""
    if row is None:
        return NOTHING
    url = change_url(row)
    label = str(row) if text is None else text
    return format_html('<a href="{}">{}</a>', url, label) if url else str(label)


def list_url(model: type[Model], **filters: str) -> str:
    """URL of the model's filtered list."""
    return f"{reverse(f'admin:{model._meta.app_label}_{model._meta.model_name}_changelist')}?{urlencode(filters)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedRows:
    """A table of the newest related rows. `list_url`: the complete list."""

    title: Text
    columns: Sequence[Text]
    rows: Sequence[Sequence[str]]
    list_url: str


def _time(local: datetime, text: str) -> str:
    return format_html('<time class="dfns-time" datetime="{}">{}</time>', local.isoformat(timespec="seconds"), text)
