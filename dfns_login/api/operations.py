"""What a view declares about each of its methods: name, shapes and refusals. The OpenAPI document is made from it."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeVar

from dfns_login.api.fields import Body, Query
from dfns_login.api.replies import Reply
from dfns_login.errors import Refusal

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. It decorates the method of the view that serves it.

    name: the operation id, which is the name of the method in the official clients.
    reply: None if the response is any JSON object.
    refusals: those of this method only. `dfns_login.api.schema.refusals` adds those that follow from the view.
    """

    name: str
    summary: str
    _: KW_ONLY
    description: str = ""
    body: type[Body] | None = None
    query: type[Query] | None = None
    reply: type[Reply] | None = None
    refusals: Sequence[type[Refusal]] = ()
    reads_database: bool = True
    deprecated: bool = False

    def __call__(self, method: Method) -> Method:
        method.operation = self  # type: ignore[attr-defined]
        return method


def operation_of(view: object, method: str | None) -> Operation:
    """Return what a view, or its class, declares about an HTTP method."""
    operation: Operation = getattr(view, str(method).lower()).operation
    return operation
