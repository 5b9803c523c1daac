"""Lists as CSV: what the list shows, without secrets, streamed. Each export is an event of the audit trail."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.formats import number_format
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from dfns_login.admin.django_types import M
from dfns_login.admin.model_admin import ReadOnlyAdmin, operator_of
from dfns_login.ceremonies.operators import record_export
from dfns_login.models import Organization

ROWS_EXPORTED: Final = 20_000
"""The most rows of an export, newest first."""
CHUNK: Final = 500
WIDE: Final = "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
FORMULAS: Final = (*"=+-@", *WIDE)
BREAKS: Final = ("\t", "\r", "\n")
LATER_FORMULA: Final = re.compile(rf"(?s)(?<=.)([;\t\r\n]\s*)(?=[{re.escape(''.join(FORMULAS))}])")
"""A formula after a semicolon, tab or line break. A spreadsheet that separates cells there would compute it."""

Columns = Mapping[str, Callable[[Any], object]]
"""The value of each column, by its name in the first line."""


class ExportedAdmin(ReadOnlyAdmin[M]):
    """Admin of a model whose list can be exported by those who may view it."""

    exported: ClassVar[Columns]

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export_view)
        return [path("export/", export, name=self._export_name), *super().get_urls()]

    @property
    def _export_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_export"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "export_url": reverse(f"{self.admin_site.name}:{self._export_name}"),
            "export_limit": number_format(ROWS_EXPORTED, force_grouping=True),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def exported_rows(self, rows: QuerySet[M], *, export: int) -> QuerySet[M]:
        """Return the rows to export. export: id of the event that records the export."""
        return rows

    @method_decorator([require_POST, never_cache])
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the rows that the list shows. The event is stored before the first row."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = request.GET.copy()
        query.pop("p", None)
        request.GET = query  # type: ignore[assignment]  # of every page of the list
        whole = reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist")
        if self.has_odd_query(request):
            return HttpResponseRedirect(whole)
        try:
            listed = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(whole)
        now = timezone.now()
        event = record_export(
            str(self.opts.model_name),
            organization=Organization.objects.filter(pk=query.get("organization", "")).first(),
            rows=min(listed.result_count, ROWS_EXPORTED),
            filters=sorted(name for name, value in query.items() if value),
            operator=operator_of(request),
            now=now,
        )
        rows = self.exported_rows(listed.queryset, export=event.pk)
        name = f"{self.opts.model_name}-{now:%Y-%m-%d-%H%M}.csv"
        return StreamingHttpResponse(
            csv_lines(rows[:ROWS_EXPORTED].iterator(chunk_size=CHUNK), self.exported),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class Echo:
    """A file that returns what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[Any], columns: Columns) -> Iterator[str]:
    """Yield a line with the names of the columns, and one for each row. Every cell is quoted (RFC 4180)."""
    writer = csv.writer(Echo(), quoting=csv.QUOTE_ALL)
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow(cell(value(row)) for value in columns.values())


def cell(value: object) -> str:
    """Return the text of a cell. Times are ISO 8601, in UTC.

    A spreadsheet computes what begins like a formula, and usernames and User-Agent headers are chosen by strangers. An
    apostrophe before it makes it text (OWASP, CSV Injection).
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = LATER_FORMULA.sub(r"\1'", str(value))
    risky = text.startswith(BREAKS) or text.lstrip().startswith(FORMULAS)
    return f"'{text}" if risky else text
