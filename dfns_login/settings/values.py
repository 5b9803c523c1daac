"""Convert values from a settings file to the types that annotations declare."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType, UnionType
from typing import Any, Literal, get_args, get_origin


def convert(value: object, kind: object) -> object:
    """Convert a value to an annotated type. Lists become tuples; dictionaries become read-only.

    kind: a class, `Any`, `Literal`, `X | Y`, `tuple[X, ...]` or `Mapping[K, V]`.

    Raises: TypeError, without a message, because the value may be a secret.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or (origin is Literal and isinstance(value, str) and value in arguments):
        return value
    if origin is UnionType:
        return _convert_to_one(value, arguments)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(convert(each, arguments[0]) for each in value)
    if origin is Mapping and isinstance(value, Mapping):
        pairs = [(convert(name, arguments[0]), convert(each, arguments[1])) for name, each in value.items()]
        return MappingProxyType(dict(pairs))
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise TypeError from None
    # a bool is an int in Python, but a mistake where a number is expected
    if isinstance(kind, type) and isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return value
    raise TypeError


def _convert_to_one(value: object, kinds: tuple[object, ...]) -> object:
    for kind in kinds:
        try:
            return convert(value, kind)
        except TypeError:
            continue
    raise TypeError


def describe(kind: object) -> str:
    """Describe an annotation: `a timedelta`, `a list, each a str`, `one of 'allow', 'refuse'`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is UnionType:
        return " or ".join(map(describe, arguments))
    if origin is tuple:
        return f"a list, each {describe(arguments[0])}"
    if origin is Mapping:
        return "a dictionary" if arguments[1] is Any else f"a dictionary, each value {describe(arguments[1])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(repr(each.value) for each in kind)}"
    return f"{'an' if kind is int else 'a'} {getattr(kind, '__name__', kind)}"
