"""Running `manage.py dfns`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Output of a command. error: the message of its CommandError, or an empty string."""

    out: str
    err: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Dfns = Callable[..., Output]


@pytest.fixture
def dfns() -> Dfns:
    def dfns(*arguments: str) -> Output:
        out, err, error = StringIO(), StringIO(), ""
        try:
            call_command("dfns", *arguments, stdout=out, stderr=err)
        except CommandError as refused:
            error = str(refused)
        return Output(out=out.getvalue(), err=err.getvalue(), error=error)

    return dfns
