"""What an operator can do to rows, as list actions and as buttons."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from dfns_login.admin.django_types import M, Text
from dfns_login.ceremonies.operators import Operator

CHOSEN_AT_ONCE: Final = 200
"""The most rows of a list action. Each takes a transaction and perhaps an email, and a request must end in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[M]):
    """Something an operator can do to a row, offered as a list action and as a button on the row's page.

    label: text of the button. consequence: shown before the operator confirms.
    perform: return whether this call made the change. done: success message for that many rows.
    """

    name: str
    label: Text
    list_label: Text
    consequence: Text
    applies: Callable[[M], bool]
    perform: Callable[[M, Operator], bool]
    done: Callable[[int], str]

    def as_action(self) -> Callable[..., None]:
        """Return the operation as a list action."""

        def act(model_admin: Any, request: HttpRequest, rows: QuerySet[M]) -> None:
            chosen = list(rows[: CHOSEN_AT_ONCE + 1])
            if len(chosen) > CHOSEN_AT_ONCE:
                text = gettext("Nothing was done: choose at most %(count)d rows at once.") % {"count": CHOSEN_AT_ONCE}
                model_admin.message_user(request, text, messages.ERROR)
            else:
                model_admin.operate(request, self, chosen)

        act.__name__ = self.name
        return admin.action(act, permissions=["operate"], description=self.list_label)
