"""Pages that show rows and change none by a form; what an operator may do to a row is an operation with a name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from dfns_login.admin.lists import FixedChangeList, WindowedChangeList, allowed_parameters
from dfns_login.admin.rendering import RelatedRows, page_of
from dfns_login.admin.typed import M, Text, TypedModelAdmin
from dfns_login.ceremonies.operators import Operator
from dfns_login.requester import Requester, agent_text, client_address
from dfns_login.settings import login_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[M]):
    """What an operator does to rows: an action of the list, and a button on the page of each row it applies to.

    label: on the button. consequence: what comes of it, read before it is done.
    perform: true where this very call did it. done: how many, in words.
    """

    name: str
    label: Text
    list_label: Text
    consequence: Text
    applies: Callable[[M], bool]
    perform: Callable[[M, Operator], bool]
    done: Callable[[int], str]

    def as_action(self) -> Callable[..., None]:
        """The operation as an action of the list."""

        def act(model_admin: "OperatedAdmin[M]", request: HttpRequest, rows: QuerySet[M]) -> None:
            model_admin.operate(request, self, rows)

        act.__name__ = self.name
        return admin.action(act, permissions=["operate"], description=self.list_label)


class OperatedAdmin(TypedModelAdmin[M]):
    """A model that operators act on by operations. Its lists take no column of the table as a filter."""

    operations: ClassVar[Sequence[Operation[Any]]] = ()
    show_facets = admin.ShowFacets.NEVER  # counts for each filter read the whole table
    show_full_result_count = False
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0
    window_key: ClassVar[str] = ""

    class Media:
        css: ClassVar = {"all": ["dfns_login/admin.css"]}

    def __init__(self, model: type[M], admin_site: admin.AdminSite) -> None:
        self.actions = [each.as_action() for each in self.operations]
        super().__init__(model, admin_site)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether this user may act on rows: who may change them."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in allowed_parameters(self)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WindowedChangeList if self.window_key else FixedChangeList

    def get_urls(self) -> list[URLPattern]:
        operate = self.admin_site.admin_view(self.operate_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_operate"
        return [path("<path:object_id>/operate/<slug:name>/", operate, name=name), *super().get_urls()]

    @method_decorator([require_POST, never_cache])
    def operate_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do what a button of a row's page says."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        operation = next((each for each in self.operations if each.name == name), None)
        row = self.get_object(request, unquote(object_id))
        if operation is None or row is None:
            raise Http404
        self.operate(request, operation, [row])
        return HttpResponseRedirect(page_of(row))

    def operate(self, request: HttpRequest, operation: Operation[M], rows: Iterable[M]) -> None:
        """Do it to each of the rows, and say what was done."""
        operator = operator_of(request)
        left = done = 0
        for row in rows:
            if operation.applies(row) and operation.perform(row, operator):
                self.log_change(request, row, operation.done(1))
                done += 1
            else:
                left += 1
        if done:
            self.message_user(request, operation.done(done), messages.SUCCESS)
        if left:
            text = ngettext(
                "%(count)d was left as it is: this does not apply to it.",
                "%(count)d were left as they are: this does not apply to them.",
                left,
            )
            self.message_user(request, text % {"count": left}, messages.WARNING)

    def related_rows(self, request: HttpRequest, row: M) -> Iterable[RelatedRows]:
        """What belongs to the row and this user may see."""
        return ()

    def may_view(self, request: HttpRequest, model: type[Model]) -> bool:
        """Whether this user may see rows of another model."""
        other = self.admin_site.get_model_admin(model) if self.admin_site.is_registered(model) else None
        return other is not None and other.has_view_permission(request)

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
            context["operations"] = self._buttons(request, obj)
            context["related_rows"] = list(self.related_rows(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _buttons(self, request: HttpRequest, row: M) -> list[tuple[Operation[Any], str]]:
        if not self.has_operate_permission(request):
            return []
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_operate"
        return [(each, reverse(name, args=[row.pk, each.name])) for each in self.operations if each.applies(row)]


class ReadOnlyAdmin(OperatedAdmin[M]):
    """A model whose rows are looked at. No request adds, changes or deletes one by a form."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


def operator_of(request: HttpRequest) -> Operator:
    """Who is acting, from where."""
    requester = Requester(
        address=client_address(request.META, trusted_hops=login_settings().trusted_proxy_hops),
        agent=agent_text(request.META),
        locale=get_language() or "",
    )
    return Operator(requester=requester, name=str(request.user.pk))
