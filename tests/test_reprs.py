"""No `repr` has an address or a secret: exceptions, logs and traceback reporters show them (R-138)."""

import dataclasses
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone

import dfns_login
from dfns_login.models import Account, AuditEvent, Organization

CANARY = "canary"
SENSITIVE = re.compile(
    r"(^|_)(address|answer|code|email|identifier|keys?|mac|password|secret|signature|token|user|username)$"
)
HARMLESS = {"Queue.email"}
"""The name of a kind of email."""


def dataclasses_of_the_app() -> Iterator[type]:
    for found in pkgutil.walk_packages(dfns_login.__path__, "dfns_login."):
        if ".client." not in found.name and ".migrations" not in found.name:
            members = vars(import_module(found.name)).values()
            yield from (
                each
                for each in members
                if inspect.isclass(each)
                and dataclasses.is_dataclass(each)
                and not inspect.isabstract(each)
                and each.__module__ == found.name
            )


def sample(annotation: str, name: str) -> Any:
    """Return a value of this type that has the canary wherever an address or a secret would be."""
    user = get_user_model()(username=CANARY, email=CANARY)
    account = Account(id="us-1", username=CANARY, email=CANARY, organization=Organization(name="Acme"), user=user)
    if "Account" in annotation and "Kind" not in annotation:
        return [account] if re.search("list|Sequence", annotation) else account
    if "User" in annotation:
        return user
    return (
        CANARY
        if SENSITIVE.search(name) and not re.search("int|bool|Callable|PublicKey|ReleasedKey", annotation)
        else None
    )


@pytest.mark.parametrize("kind", list(dataclasses_of_the_app()), ids=lambda kind: kind.__name__)
def test_no_dataclass_shows_an_address_or_a_secret(kind: Any) -> None:
    made = object.__new__(kind)
    for each in dataclasses.fields(kind):
        value = None if f"{kind.__name__}.{each.name}" in HARMLESS else sample(str(each.type), each.name)
        object.__setattr__(made, each.name, value)
    assert CANARY not in repr(made)


@pytest.mark.parametrize(
    "model", list(apps.get_app_config("dfns_login").get_models()), ids=lambda model: model.__name__
)
def test_no_model_shows_an_address_or_a_secret(model: type[models.Model]) -> None:
    texts = (models.CharField, models.TextField, models.BinaryField)
    fields = [each for each in model._meta.concrete_fields if isinstance(each, texts) and not each.choices]
    values: dict[str, Any] = {each.attname: CANARY for each in fields if each.name not in {"id", "name"}}
    if issubclass(model, AuditEvent):
        values["at"] = timezone.now()
    assert CANARY not in repr(model(**values))


def test_control_the_canary_is_in_names_and_found() -> None:
    assert CANARY in str(sample("Account", "account"))
    assert len(list(dataclasses_of_the_app())) > 50
