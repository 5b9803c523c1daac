"""The operator at the terminal."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a verb printed. error: its last word, where it failed."""

    out: str
    err: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Dfns = Callable[..., Said]


@pytest.fixture
def dfns() -> Dfns:
    def dfns(*arguments: str) -> Said:
        out, err, error = StringIO(), StringIO(), ""
        try:
            call_command("dfns", *arguments, stdout=out, stderr=err)
        except CommandError as refused:
            error = str(refused)
        return Said(out=out.getvalue(), err=err.getvalue(), error=error)

    return dfns
