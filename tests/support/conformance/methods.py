"""The endpoint that each method of a client calls, read from its source."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_VERB: Final = re.compile(r"""[mM]ethod(?:: |=)['"]([A-Z]+)['"]""")
_PATH: Final = re.compile(r"""['"](/auth/[^'"]*)['"]""")
_OTHER_METHOD: Final = re.compile(r"(?:self|this|BaseAuthApi)\.(?!_|apiOptions)(\w+)\(")
_HALVES: Final = {"Init": "Complete", "Complete": "Init", "_init": "_complete", "_complete": "_init"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method and a path, with its parameters named: `PUT /auth/users/:userId/activate`."""

    verb: str
    path: str

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return re.findall(r":(\w+)", self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of a client and the endpoint that it calls.

    half: `Init` or `Complete` if the caller signs in between.
    """

    name: str
    endpoint: Endpoint
    half: str = ""


def methods_of(sources: Mapping[str, str], elsewhere: Mapping[str, str] = MappingProxyType({})) -> list[Method]:
    """Return every method of a client. elsewhere: sources of classes that it may use."""
    return [
        Method(name=name, endpoint=endpoint_of(name, {**elsewhere, **sources}), half=_half(name, sources))
        for name in sources
    ]


def _half(name: str, sources: Mapping[str, str]) -> str:
    for suffix, other in _HALVES.items():
        if name.endswith(suffix) and name.removesuffix(suffix) + other in sources:
            return suffix.strip("_").capitalize()
    return ""


def endpoint_of(name: str, sources: Mapping[str, str]) -> Endpoint:
    """Return the endpoint that the method calls itself or through the last method it calls."""
    source = sources[name]
    verbs, paths = _VERB.findall(source), _PATH.findall(source)
    if not paths:
        others = [other for other in _OTHER_METHOD.findall(source) if other in sources and other != name]
        assert others, f"{name} names no path:\n{source}"
        return endpoint_of(others[-1], sources)
    assert verbs, f"{name} names no method:\n{source}"
    return Endpoint(verb=verbs[-1], path=re.sub(r"\{(\w+)\}", _named_parameter, paths[-1]))


def _named_parameter(found: re.Match[str]) -> str:
    return ":" + re.sub(r"_([a-z])", lambda letter: letter[1].upper(), found[1])
