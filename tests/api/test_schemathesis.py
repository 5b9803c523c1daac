"""schemathesis makes requests up from the OpenAPI document, by its shapes and against them, and judges the answers.

The same requests in each run: `SCHEMATHESIS_SEED` asks for others. `SCHEMATHESIS_EXAMPLES` asks for so many made-up
ones of each operation, and for all of those that are derived from the shapes, of which a run otherwise takes a share.
"""

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from schemathesis.config import SchemathesisConfig

from tests.support.openapi.contract import DOCUMENT, ContractClient
from tests.support.openapi.operator import OperatorDoor
from tests.support.openapi.requests import Actors

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.django_db,
    pytest.mark.usefixtures("without_rates", "kept_connections", "named_node"),
]

SEED = int(os.environ.get("SCHEMATHESIS_SEED", "20261123"))
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "10"))
ONE_OF = 1 if "SCHEMATHESIS_EXAMPLES" in os.environ else 4
DISABLED = {"enabled": False}

Answer = Callable[[Any], None]


def described(application: Any, *, checks: Any = None, **more: Any) -> Any:
    """Return the document's schema for schemathesis, with the checks to run."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "generation": {"deterministic": True, "max-examples": EXAMPLES},
            "checks": {
                # a code, signature or challenge of the right form need not be valid
                "positive_data_acceptance": DISABLED,
                "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "405", "413", "415"]},
                **(checks or {}),
            },
            **more,
        }
    )
    schema = schemathesis.openapi.from_dict(DOCUMENT, config=config)
    schema.app = application
    return schema


@pytest.fixture
def kept_connections() -> Iterator[None]:
    """Keep requests from closing the connection of the test's transaction, as Django's test client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def named_node(request: pytest.FixtureRequest) -> None:
    """schemathesis 4.32 uses an attribute of nodes that pytest 9.2 has removed."""
    request.node._nodeid = request.node.nodeid  # noqa: SLF001


@pytest.fixture
def answer() -> Answer:
    """Send the case if it is selected, check the response, and roll back what it wrote."""
    numbers = count()

    def answered(case: Any) -> None:
        if case.meta.phase.name.value == "coverage" and next(numbers) % ONE_OF:
            return
        with transaction.atomic():
            case.call_and_validate()
            transaction.set_rollback(True)

    return answered


@pytest.fixture
def by_stranger() -> Any:
    return described(get_wsgi_application(), phases={"coverage": {"enabled": ONE_OF == 1}})


@pytest.fixture
def by_operator() -> Any:
    actors = Actors(ContractClient())
    door = OperatorDoor(get_wsgi_application(), operator=actors.operator)
    # `OperatorDoor` replaces any token by a valid one
    return described(door, checks={"ignored_auth": DISABLED}, parameters={"path.userId": actors.invited.pk})


@schemathesis.pytest.from_fixture("by_stranger").parametrize()
def test_anonymous_requests_get_documented_replies(case: Any, answer: Answer) -> None:
    answer(case)


@schemathesis.pytest.from_fixture("by_operator").parametrize()
def test_requests_of_an_operator_get_documented_replies(case: Any, answer: Answer) -> None:
    answer(case)
