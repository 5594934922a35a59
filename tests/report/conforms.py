"""Whether plain values, as read from a JSON file, are of a type."""

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def misfits(value: Any, kind: Any, where: str = "") -> list[str]:
    """Where `value` is not of the type `kind`: keys that a TypedDict lacks or has beside its own are, too."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return _keyed(value, kind, where) if isinstance(value, dict) else [f"{where}: {value!r}"]
    if kind is Any:
        return []
    if origin in (Union, UnionType):
        return min((misfits(value, one, where) for one in inner), key=len)
    if origin is Literal:
        return [] if value in inner else [f"{where}: {value!r}"]
    if origin is dict and isinstance(value, dict):
        return [fault for key, item in value.items() for fault in misfits(item, inner[1], f"{where}/{key}")]
    if origin is list and isinstance(value, list):
        return [fault for number, item in enumerate(value) for fault in misfits(item, inner[0], f"{where}/{number}")]
    plain = {float: (float, int), None: NoneType}.get(kind, kind)
    fits = origin is None and isinstance(value, plain) and (kind is bool or not isinstance(value, bool))
    return [] if fits else [f"{where}: {value!r}"]


def _keyed(value: dict[str, Any], kind: Any, where: str) -> list[str]:
    types = get_type_hints(kind)
    missing = [f"{where}/{key} is missing" for key in sorted(kind.__required_keys__ - set(value))]
    unknown = [f"{where}/{key} is not in the schema" for key in value if key not in types]
    known = [fault for key in value if key in types for fault in misfits(value[key], types[key], f"{where}/{key}")]
    return [*missing, *unknown, *known]
