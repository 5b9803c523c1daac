"""Base classes of the admin pages. Rows are read-only; operators change them through named operations."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from dfns_login.admin.change_lists import FixedOrderChangeList, NewestRowsChangeList
from dfns_login.admin.django_types import M, Text, TypedModelAdmin
from dfns_login.admin.filters import allowed_parameters
from dfns_login.admin.operations import Operation
from dfns_login.admin.permissions import may_add, may_view
from dfns_login.admin.rendering import NOTHING, RelatedRows, change_url, origin, whole_agent
from dfns_login.admin.search import rows_of_account
from dfns_login.ceremonies.operators import Operator
from dfns_login.models import Account
from dfns_login.requester import Requester


class OperationsAdmin(TypedModelAdmin[M]):
    """Admin of a model that has operations. Query parameters other than its filters' are rejected."""

    operations: ClassVar[Sequence[Operation[Any]]] = ()
    show_facets = admin.ShowFacets.NEVER  # counting rows for each filter would read the whole table
    show_full_result_count = False
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0
    window_key: ClassVar[str] = ""
    empty_text: ClassVar[Text]
    add_label: ClassVar[Text] = ""
    """Text of the button that adds a row, if it is not Django's."""
    offers_invitation: ClassVar[bool] = True
    """Whether an empty list leads to the form that invites a person."""

    class Media:
        css: ClassVar = {"all": ["dfns_login/admin.css"]}

    def __init__(self, model: type[M], admin_site: admin.AdminSite) -> None:
        self.actions = [each.as_action() for each in self.operations]
        super().__init__(model, admin_site)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the user has the model's change permission."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in allowed_parameters(self)

    def changelist_view(self, request: HttpRequest, extra_context: "dict[str, Any] | None" = None) -> HttpResponse:
        if self.has_odd_query(request) or not all(map(self._may_be_id, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            return HttpResponseRedirect(request.path)
        title = capfirst(self.opts.verbose_name_plural)
        context = {
            "title": title,
            "empty_text": self.empty_text,
            "add_label": self.add_label,
            "invite_url": self._invite_url(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def has_odd_query(self, request: HttpRequest) -> bool:
        """Whether the query contains NUL, which PostgreSQL rejects."""
        return any("\0" in each for values in request.GET.lists() for each in values[1])

    def _invite_url(self, request: HttpRequest) -> str:
        """Where to invite the first person; empty for those who may not."""
        if not self.offers_invitation or not may_add(Account, request=request, site=self.admin_site):
            return ""
        return reverse(f"{self.admin_site.name}:dfns_login_account_add")

    def _may_be_id(self, text: str) -> bool:
        try:
            self.opts.pk.to_python(text)
        except ValidationError:
            return False
        return "\0" not in text

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        return super().get_search_results(request, queryset, search_term.replace("\0", ""))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> M | None:
        return None if "\0" in unquote(object_id) else super().get_object(request, object_id, from_field)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestRowsChangeList if self.window_key else FixedOrderChangeList

    def get_urls(self) -> list[URLPattern]:
        operate = self.admin_site.admin_view(self.operate_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_operate"
        return [path("<path:object_id>/operate/<slug:name>/", operate, name=name), *super().get_urls()]

    @method_decorator([require_POST, never_cache])
    def operate_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Perform an operation from the row's page."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        operation = next((each for each in self.operations if each.name == name), None)
        row = self.get_object(request, unquote(object_id))
        if operation is None or row is None:
            raise Http404
        self.operate(request, operation, [row])
        return HttpResponseRedirect(change_url(row))

    def operate(self, request: HttpRequest, operation: Operation[M], rows: Iterable[M]) -> None:
        """Perform the operation on each row, and report how many changed."""
        operator = operator_of(request)
        skipped = done = 0
        for row in rows:
            if operation.applies(row) and operation.perform(row, operator):
                self.log_change(request, row, operation.done(1))
                done += 1
            else:
                skipped += 1
        if done:
            self.message_user(request, operation.done(done), messages.SUCCESS)
        if skipped:
            text = ngettext(
                "%(count)d was skipped because this doesn't apply to it.",
                "%(count)d were skipped because this doesn't apply to them.",
                skipped,
            )
            self.message_user(request, text % {"count": skipped}, messages.WARNING)

    def heading(self, row: M) -> str:
        """What the row's page is about."""
        return str(row)

    def related_rows(self, request: HttpRequest, row: M) -> Iterable[RelatedRows]:
        """Tables of related rows that the user may see, for the row's page."""
        return ()

    def may_view(self, request: HttpRequest, model: type[Model]) -> bool:
        """Whether the user may view rows of another registered model."""
        return may_view(model, request=request, site=self.admin_site)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002  Django's signature
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        if change and obj is not None:
            context["subtitle"] = self.heading(obj)
            context["operations"] = self._buttons(request, obj)
            context["related_rows"] = list(self.related_rows(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _buttons(self, request: HttpRequest, row: M) -> list[tuple[Operation[Any], str]]:
        if not self.has_operate_permission(request):
            return []
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_operate"
        return [(each, reverse(name, args=[row.pk, each.name])) for each in self.operations if each.applies(row)]


class ReadOnlyAdmin(OperationsAdmin[M]):
    """Admin of a model whose rows can only be viewed, apart from its operations."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Whether the row may be deleted with its user, which the project's own admin asks."""
        return obj is not None and deletes_users(request) and request.user.has_perm("dfns_login.delete_account")


class AccountRowsAdmin(ReadOnlyAdmin[M]):
    """Admin of rows that belong to an account. The search takes its username or ID."""

    search_fields = ("id",)
    search_help_text = _("Username or ID of the account")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        return (rows_of_account(queryset, search_term) if search_term.strip() else queryset), False

    @admin.display(description=_("address"))
    def shown_address(self, row: Any) -> str:
        return row.address or NOTHING

    @admin.display(description=_("browser"))
    def shown_agent(self, row: Any) -> str:
        return whole_agent(row.agent)

    @admin.display(description=_("from"))
    def shown_origin(self, row: Any) -> str:
        return origin(row.address, row.agent)


def deletes_users(request: HttpRequest) -> bool:
    """Whether this is a page of the admin of users that deletes them."""
    users = get_user_model()._meta
    pages = {f"{users.app_label}_{users.model_name}_{page}" for page in ("delete", "changelist")}
    return request.resolver_match is not None and request.resolver_match.url_name in pages


def operator_of(request: HttpRequest) -> Operator:
    """Return the signed-in user as an `Operator`, with address and user agent."""
    return Operator(requester=Requester.of(request), name=str(request.user.pk))
