"""What was issued to an account, what voided it, and what it opened; and what of that must not have happened.

Order is that of the database: the numbers of statements and commits from `tests/support/interleaving.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tests.support.interleaving import Run

EMAILED: Final = frozenset({"login code", "recovery code"})
SEVERAL_TIMES: Final = frozenset({"session", "key"})


@dataclass(eq=False, kw_only=True)
class Thing:
    """Something that opens something else: a session, a key, a code, a challenge, a token, a user action.

    born: number of the last statement of the request that issued it. session: the one that it belongs to. key: what
    signed for it.
    """

    kind: str
    value: dict[str, Any] = field(repr=False)
    born: int
    expires: datetime | None = None
    session: "Thing | None" = None
    key: "Thing | None" = None


@dataclass(eq=False, kw_only=True)
class Act:
    """Something that voids things. by: the session, key or code that it is about.

    order: number of its commit. revoked: number of the statement that revoked the emailed codes. Anybody may ask for
    a code, without the account's lock: one that is issued later, but before the commit, is as good as one issued after.
    """

    kind: str
    order: int
    revoked: int
    by: Thing | None = None

    def voids(self, thing: Thing) -> bool:
        if thing.born > (self.revoked if thing.kind in EMAILED else self.order):
            return False
        if thing.kind == "key":
            return self.kind == "recovered" or (self.kind == "removed a key" and thing is self.by)
        spared = {
            "changed the password": thing is self.by,
            "removed a key": thing.kind == "session" and thing.key is not self.by,
            "signed out": thing is not self.by and thing.session is not self.by,
            "revoked a code": thing is not self.by,
        }
        return not spared.get(self.kind)


@dataclass(eq=False, kw_only=True)
class Opening:
    """An accepted request. by: what authorized it. table: of its effect, if that was no transaction.

    released: the encrypted keys in the answer.
    """

    what: str
    run: Run
    by: tuple[Thing, ...]
    reads_only: bool = False
    table: str = ""
    released: tuple[str, ...] = ()

    def is_after(self, act: Act) -> bool:
        """Whether it took effect after the act; if it only reads, whether its body came after the act."""
        return (self.run.began if self.reads_only else self.run.took_effect(self.table)) > act.order


@dataclass(eq=False, kw_only=True)
class History:
    acts: list[Act] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    stored: dict[str, Act] = field(default_factory=dict)
    """Each encrypted key that an act stored."""

    def violations(self) -> list[str]:
        return [*self._opened_after_voiding(), *self._released_after_voiding(), *self._again(), *self._expired()]

    def _opened_after_voiding(self) -> Iterator[str]:
        for opening in self.openings:
            for act in self.acts:
                for thing in opening.by:
                    if act.voids(thing) and opening.is_after(act):
                        yield f"{thing.kind} opened “{opening.what}” after “{act.kind}”"

    def _released_after_voiding(self) -> Iterator[str]:
        for opening in self.openings:
            for act in filter(None, map(self.stored.get, opening.released)):
                if any(act.voids(thing) for thing in opening.by):
                    yield f"“{opening.what}” released a key that was stored by “{act.kind}”"

    def _again(self) -> Iterator[str]:
        seen: set[Thing] = set()
        for opening in self.openings:
            for thing in opening.by:
                if thing in seen:
                    yield f"{thing.kind} opened “{opening.what}” again"
                if thing.kind not in SEVERAL_TIMES:
                    seen.add(thing)

    def _expired(self) -> Iterator[str]:
        for opening in self.openings:
            for thing in opening.by:
                if thing.expires and min(opening.run.clock) >= thing.expires:
                    yield f"expired {thing.kind} opened “{opening.what}”"
