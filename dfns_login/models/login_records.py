"""What a login reads about a name before anything is signed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Col

from dfns_login.models.accounts import Account, AccountState, Organization
from dfns_login.models.code_choices import Caller, CodePurpose
from dfns_login.models.credentials import Credential, CredentialKind
from dfns_login.models.one_time_codes import READ_FOR_A_GUESS, OneTimeCode
from dfns_login.usernames import Recipient

M = TypeVar("M", bound=models.Model)
Row = Mapping[type[models.Model], Sequence[Any]]
"""The values that a row of the result has for each model."""


def _columns(model: type[models.Model], *names: str) -> list[str]:
    """Return the names in the order in which `from_db` takes values."""
    return [field.attname for field in model._meta.concrete_fields if field.attname in names]


_ACCOUNT: Final = {field.attname for field in Account._meta.concrete_fields} - {"created_at"}
_WITHOUT_CODE: Final[Mapping[type[models.Model], Sequence[str]]] = {
    Organization: _columns(Organization, "id", "name", "active", "second_factor", "generation"),
    Account: _columns(Account, *_ACCOUNT),
    Credential: ("id", "kind", "credential_id", "networks"),
}
_WITH_CODE: Final[Mapping[type[models.Model], Sequence[str]]] = {
    **_WITHOUT_CODE,
    Credential: (*_WITHOUT_CODE[Credential], "encrypted_key_at_rest"),
    OneTimeCode: _columns(OneTimeCode, "id", *READ_FOR_A_GUESS),
}
"""The columns that are read of each model. What is slow to convert is left out (R-33)."""
_VALUES: Final = {"registered": AccountState.REGISTERED.value, "recovery": CredentialKind.RECOVERY_KEY.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRecord:
    """What a login reads of a credential. encrypted_key_at_rest: None if no code is presented."""

    pk: str
    kind: CredentialKind
    credential_id: str
    networks: Sequence[str]
    encrypted_key_at_rest: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRecord:
    """What is stored for a name.

    organization: None if it is unknown or not active. account: None if it may not sign in.
    codes: the open login codes that a guess is compared with, the caller's own first.
    credentials: all that may sign in, the oldest first.
    """

    recipient: Recipient
    organization: Organization | None
    account: Account | None
    codes: Sequence[OneTimeCode]
    credentials: Sequence[CredentialRecord]

    @classmethod
    def read(cls, recipient: Recipient, *, caller: Caller | None) -> Self:
        """Read what is stored for the recipient.

        One statement, which is the same whether or not the name exists, and always returns a row (R-33). It sees one
        moment: an open code was sent for the keys beside it, because voiding an account closes its codes.

        caller: who presents a code; None if nobody does. Then neither codes nor encrypted keys are read.
        """
        connection = connections[router.db_for_write(Organization)]
        alias = connection.alias
        values = {"organization": recipient.organization, "username": recipient.username, **_VALUES}
        if caller:
            values |= {"purpose": CodePurpose.LOGIN.value, "stranger": Caller.STRANGER.value, "caller": caller.value}
        rows = _statement(alias, connection.vendor, with_code=caller is not None).rows(connection, values)
        organization, account = _build(Organization, rows[0], alias), _build(Account, rows[0], alias)
        if organization and account:
            account.organization = organization
        by_code = {row[OneTimeCode][0]: row for row in rows} if caller else {}
        codes = [code for row in by_code.values() if (code := _build(OneTimeCode, row, alias))]
        return cls(
            recipient=recipient,
            organization=organization,
            account=account,
            codes=sorted(codes, key=lambda code: code.caller != caller),
            credentials=list({each.pk: each for row in rows if (each := _credential(*row[Credential]))}.values()),
        )


def _build(model: type[M], row: Row, alias: str) -> M | None:
    """Build the model of nothing too, so that it takes as long (R-33)."""
    built = model.from_db(alias, _WITH_CODE[model], row[model])
    return built if built.pk is not None else None


def _credential(
    pk: str | None, kind: str, credential_id: str, networks: Sequence[str], encrypted_key: bytes | None = None
) -> CredentialRecord | None:
    if pk is None:
        return None
    return CredentialRecord(
        pk=pk,
        kind=CredentialKind(kind),
        credential_id=credential_id,
        networks=networks,
        encrypted_key_at_rest=encrypted_key,
    )


class _Statement(NamedTuple):
    """SQL text, the columns of each model in its result, and what Django converts some of them with."""

    sql: str
    columns: Mapping[type[models.Model], slice]
    converters: Sequence[tuple[int, Col, Sequence[Callable[..., Any]]]]

    def rows(self, connection: BaseDatabaseWrapper, values: Mapping[str, str]) -> list[Row]:
        with connection.cursor() as cursor:
            cursor.execute(self.sql, values)
            found = [list(row) for row in cursor.fetchall()]
        for row in found:
            for index, column, functions in self.converters:
                for convert in functions:
                    row[index] = convert(row[index], column, connection)
        return [{model: row[columns] for model, columns in self.columns.items()} for row in found]


@cache
def _statement(alias: str, _vendor: str, *, with_code: bool) -> _Statement:
    """Build the SELECT, once per process."""
    connection = connections[alias]
    selected: list[Col] = []
    columns: dict[type[models.Model], slice] = {}
    for model, names in (_WITH_CODE if with_code else _WITHOUT_CODE).items():
        columns[model] = slice(len(selected), len(selected) + len(names))
        fields = [cast("models.Field[Any, Any]", model._meta.get_field(name)) for name in names]
        selected += [Col(str(model._meta.model_name), each) for each in fields]
    converters = [
        (index, column, functions)
        for index, column in enumerate(selected)
        if (functions := [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)])
    ]
    texts = ", ".join(f"{column.alias}.{connection.ops.quote_name(str(column.target.column))}" for column in selected)
    joined = f"{_JOINED}{_JOINED_CODE if with_code else ''}"
    sql = f"SELECT {texts} FROM {joined} ORDER BY credential.created_at, credential.id"  # noqa: S608  columns of models
    return _Statement(sql, columns, converters)


_JOINED: Final = """(SELECT 1) AS always
LEFT JOIN dfns_login_organization AS organization ON organization.id = %(organization)s AND organization.active
LEFT JOIN dfns_login_account AS account ON account.organization_id = organization.id
    AND account.username = %(username)s AND account.state = %(registered)s
LEFT JOIN dfns_login_credential AS credential ON credential.account_id = account.id
    AND credential.active AND credential.kind <> %(recovery)s"""
_JOINED_CODE: Final = """
LEFT JOIN dfns_login_onetimecode AS onetimecode ON onetimecode.organization = %(organization)s
    AND onetimecode.recipient = %(username)s AND onetimecode.purpose = %(purpose)s
    AND onetimecode.caller IN (%(stranger)s, %(caller)s) AND onetimecode.closed_at IS NULL"""
