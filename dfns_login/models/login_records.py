"""What a login reads about a name before anything is signed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Col

from dfns_login.models.accounts import Account, AccountState
from dfns_login.models.code_choices import Caller, CodePurpose
from dfns_login.models.compiled import Converters, converted
from dfns_login.models.credentials import Credential, CredentialKind
from dfns_login.models.one_time_codes import READ_FOR_A_GUESS, OneTimeCode
from dfns_login.models.organizations import Organization
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
}
_WITH_CODE: Final[Mapping[type[models.Model], Sequence[str]]] = {
    **_WITHOUT_CODE,
    OneTimeCode: _columns(OneTimeCode, "id", *READ_FOR_A_GUESS),
}
"""The columns that are read of each model. What is slow to convert is left out (R-33)."""
_STAND_INS: Final[Mapping[type[models.Model], Mapping[str, str]]] = {
    Account: {
        "id": "''",
        "organization_id": "''",
        "username": "%(username)s",
        "email": "%(username)s",
        "kind": "''",
        "state": "%(registered)s",
        "locale": "''",
        "generation": "0",
    },
    OneTimeCode: {
        "id": "0",
        "organization": "%(organization)s",
        "recipient": "%(username)s",
        "purpose": "%(purpose)s",
        "caller": "%(caller)s",
        "salt": "%(salt)s",
        "key_id": "''",
        "issued_at": "%(never)s",
        "expires_at": "%(never)s",
        "guesses": "0",
        "device_guesses": "0",
    },
}
"""SQL of what is read in place of a row that does not exist, so that reading it takes as long (R-33)."""
_VALUES: Final = {
    "registered": AccountState.REGISTERED.value,
    "key": CredentialKind.KEY.value,
    "passkey": CredentialKind.FIDO2.value,
    "protected": CredentialKind.PASSWORD_PROTECTED_KEY.value,
}
_SALT: Final = bytes(16)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Not the first moment of all, which other time zones of a connection do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRecord:
    """What a login reads of a credential. If no code is presented, neither its networks nor its encrypted key."""

    pk: str
    kind: CredentialKind
    credential_id: str
    networks: Sequence[str] = ()
    encrypted_key_at_rest: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class LoginRecord:
    """What is stored for a name.

    organization: None if it is unknown or not active. account: None if it may not sign in.
    codes: the open login codes that a guess is compared with, the caller's own first. If there is none, a code that is
    not stored and has expired; without a caller, none. stored_credentials: in JSON.
    """

    recipient: Recipient
    organization: Organization | None
    account: Account | None
    codes: Sequence[OneTimeCode]
    stored_credentials: str = field(repr=False)

    @cached_property
    def credentials(self) -> list[CredentialRecord]:
        """All that may sign in, the oldest first. A wrong guess does not get here, whatever is stored (R-33)."""
        return [_credential(*each) for each in json.loads(self.stored_credentials) if each[0]]

    @classmethod
    def read(cls, recipient: Recipient, *, caller: Caller | None) -> Self:
        """Read what is stored for the recipient.

        One statement, which is the same whether or not the name exists, and always returns a row (R-33). It sees one
        moment: an open code was sent for the keys beside it, because voiding an account closes its codes.

        caller: who presents a code; None without a code. Then neither codes nor encrypted keys are read.
        """
        connection = connections[router.db_for_write(Organization)]
        alias = connection.alias
        values: dict[str, Any] = {"organization": recipient.organization, "username": recipient.username, **_VALUES}
        if caller:
            values |= {"purpose": CodePurpose.LOGIN.value, "stranger": Caller.STRANGER.value, "caller": caller.value}
            values |= {"salt": _SALT, "never": connection.ops.adapt_datetimefield_value(_NEVER)}
        rows = _select(alias, connection.vendor, with_code=caller is not None).rows(connection, values)
        organization, account = _build(Organization, rows[0][0], alias), _build(Account, rows[0][0], alias)
        if organization and account:
            account.organization = organization
        codes = [OneTimeCode.from_db(alias, _WITH_CODE[OneTimeCode], row[OneTimeCode]) for row, _ in rows if caller]
        return cls(
            recipient=recipient,
            organization=organization,
            account=account,
            codes=sorted(codes, key=lambda code: code.caller != caller),
            stored_credentials=rows[0][1],
        )


def _build(model: type[M], row: Row, alias: str) -> M | None:
    """Build the model of nothing too, so that it takes as long (R-33)."""
    built = model.from_db(alias, _WITH_CODE[model], row[model])
    return built if built.pk else None


def _credential(
    pk: str, kind: str, credential_id: str, networks: str = "[]", encrypted_key: str | None = None
) -> CredentialRecord:
    return CredentialRecord(
        pk=pk,
        kind=CredentialKind(kind),
        credential_id=credential_id,
        networks=json.loads(networks),
        encrypted_key_at_rest=None if encrypted_key is None else bytes.fromhex(encrypted_key),
    )


class _LoginSelect(NamedTuple):
    """SQL text, and the columns of each model in its result. The last column has the credentials."""

    sql: str
    columns: Mapping[type[models.Model], slice]
    converters: Converters

    def rows(self, connection: BaseDatabaseWrapper, values: Mapping[str, Any]) -> list[tuple[Row, str]]:
        with connection.cursor() as cursor:
            cursor.execute(self.sql, values)
            found = [converted(row, self.converters, connection) for row in cursor.fetchall()]
        return [({model: row[columns] for model, columns in self.columns.items()}, row[-1]) for row in found]


@cache
def _select(alias: str, vendor: str, *, with_code: bool) -> _LoginSelect:
    """Build the SELECT, once per process."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    selected: list[Col] = []
    texts: list[str] = []
    columns: dict[type[models.Model], slice] = {}
    for model, names in (_WITH_CODE if with_code else _WITHOUT_CODE).items():
        columns[model] = slice(len(selected), len(selected) + len(names))
        for name in names:
            column = Col(str(model._meta.model_name), cast("models.Field[Any, Any]", model._meta.get_field(name)))
            text = f"{column.alias}.{quote(str(column.target.column))}"
            stand_in = _STAND_INS.get(model, {}).get(name)
            selected.append(column)
            texts.append(f"coalesce({text}, {stand_in})" if stand_in else text)
    converters = [
        (index, functions, column)
        for index, column in enumerate(selected)
        if (functions := [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)])
    ]
    models_read: list[type[models.Model]] = [*_WITH_CODE, Credential]
    tables = {str(model._meta.model_name): quote(model._meta.db_table) for model in models_read}
    array, as_hex = _JSON[vendor]
    kinds, held = "%(key)s, %(passkey)s", "id, kind, credential_id"
    if with_code:
        kinds += ", %(protected)s"
        held += f", CAST(networks AS text), {as_hex}"
    texts.append(_CREDENTIALS.format(array=array.format(held), kinds=kinds, **tables))
    joined = f"{_JOINED}{_JOINED_CODE if with_code else ''}".format(**tables)
    return _LoginSelect(f"SELECT {', '.join(texts)} FROM {joined}", columns, converters)  # noqa: S608  columns of models


_JSON: Final = {
    "postgresql": ("json_agg(json_build_array({}))", "encode(encrypted_key_at_rest, 'hex')"),
    "sqlite": (
        "json_group_array(json_array({}))",
        "CASE WHEN encrypted_key_at_rest IS NOT NULL THEN hex(encrypted_key_at_rest) END",
    ),
}
"""For each database: an array of all rows, and the encrypted key in hexadecimal."""
_CREDENTIALS: Final = """(SELECT CAST({array} AS text) FROM (
    SELECT held.* FROM (SELECT 1) AS always LEFT JOIN {credential} AS held ON held.account_id = coalesce(account.id, '')
    AND held.active AND held.kind IN ({kinds}) ORDER BY held.created_at, held.id) AS held)"""
"""One value for all. Without credentials, an array of nulls, so that it takes as long (R-33)."""
_JOINED: Final = """(SELECT 1) AS always
LEFT JOIN {organization} AS organization ON organization.id = %(organization)s AND organization.active
LEFT JOIN {account} AS account ON account.organization_id = organization.id
    AND account.username = %(username)s AND account.state = %(registered)s"""
_JOINED_CODE: Final = """
LEFT JOIN {onetimecode} AS onetimecode ON onetimecode.organization = %(organization)s
    AND onetimecode.recipient = %(username)s AND onetimecode.purpose = %(purpose)s
    AND onetimecode.caller IN (%(stranger)s, %(caller)s) AND onetimecode.closed_at IS NULL"""
