"""A configuration node held against the constructor that it feeds: keys, words, kinds of numbers and null."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence, Set
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def words_of_rule(rule: str) -> set[str]:
    """What a rule of conf/ admits: kinds of values and words; "several ..." for the items of a list or map."""
    alternatives = re.sub(r" with \w+=\w+", "", rule).split(" | ")
    found: set[str] = set()
    for number, alternative in enumerate(alternatives):
        collection = re.fullmatch(
            r"(?:list|list by step|map|map by task|exactly \d+) of (.+)", " | ".join(alternatives[number:])
        )
        if collection:
            return found | {f"several {word}" for word in words_of_rule(collection[1])}
        number_or_word = alternative.split()[0]
        found.add("str" if number_or_word in ("path", "file", "layers") else number_or_word)
    return found


def words_of_annotation(kind: Any) -> set[str]:
    """The same of a parameter's type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return set().union(*map(words_of_annotation, arguments))
    if origin is Literal:
        return {str(word) for word in arguments}
    if origin in (Sequence, tuple, list):
        return {f"several {word}" for word in words_of_annotation(arguments[0])}
    if origin in (Mapping, dict):
        return {f"several {word}" for word in words_of_annotation(arguments[1])}
    return {"null" if kind is NoneType else kind.__name__}


def parameters(target: Callable[..., Any]) -> dict[str, Any]:
    """Name -> annotation of what `target` takes by keyword, a `**recipe: Unpack[TypedDict]` spelled out."""
    function = target.__init__ if inspect.isclass(target) else target
    hints = get_type_hints(function)
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            (recipe,) = get_args(hints[name])
            assert is_typeddict(recipe), f"{target}: **{name} is no Unpack of a TypedDict"
            found |= get_type_hints(recipe)
        else:
            found[name] = hints[name]
    return found


def assert_settings_fit(
    node: Mapping[str, Any], target: Callable[..., Any], given: Set[str], elsewhere: Set[str] = frozenset()
) -> None:
    """Fail where a key is not taken, an argument has no key, or a rule admits another word or kind than the annotation.

    `given` are arguments that come from the run, `elsewhere` keys that something else takes. A nested choice is a function.
    """
    keys = {key for key in node if key[0] != "_" and key != "defaults"} - elsewhere
    taken = {name: kind for name, kind in parameters(target).items() if name not in given}
    assert keys == set(taken), node["_target_"]
    for key, kind in taken.items():
        if key not in node["_rules_"]:
            assert get_origin(kind) is Callable, f"{node['_target_']}: {key} has no rule and is no choice of a part"
            continue
        rule, annotation = words_of_rule(node["_rules_"][key]), words_of_annotation(kind)
        rule = rule - {"true", "false"} | {"bool"} if rule >= {"true", "false"} else rule
        assert rule <= annotation, f"{node['_target_']}: {key} admits {rule - annotation}, which {kind} is not"
        narrower = annotation - rule  # an option may demand what another of the same class leaves out
        assert narrower <= {"null"}, f"{node['_target_']}: no rule of {key} admits {narrower}"
