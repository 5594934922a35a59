"""The language of rules in conf/."""

import pytest

from runner.configuration.rules import NoMatchError, admit, beside, neighbours

ADMITTED = [
    ("int", 3, 3),
    ("int >= 1", 1, 1),
    ("float", 2, 2.0),
    ("float > 0", 0.5, 0.5),
    ("float in [0, 1)", 0, 0.0),
    ("float in (0, 1]", 1, 1.0),
    ("null | int >= 1", None, None),
    ("bool", True, True),
    ("equal | random", "random", "random"),
    ("null | path", "a/b", "a/b"),
    ("null | file", "a/b.pt", "a/b.pt"),
    ("null | list of segmentation | normals", ["normals"], ["normals"]),
    ("list of int >= 1", [1, 2], [1, 2]),
    ("list by step of int in [0, 1]", [0, 1], [0, 1]),
    ("map by task of float >= 0", {"depth": 2}, {"depth": 2.0}),
    ("map of float", {}, {}),
    ("false | true", True, True),
    ("true", True, True),
    ("18 | 34", 34, 34),
]
REFUSED = [
    ("int", 3.5),
    ("int", True),
    ("int", "three"),
    ("int >= 1", 0),
    ("float", "fast"),
    ("float > 0", 0),
    ("float > 0", float("nan")),
    ("float", float("inf")),
    ("float in [0, 1)", 1),
    ("float in (0, 1]", 0),
    ("null | int >= 1", "null"),
    ("bool", 1),
    ("equal | random", "equals"),
    ("equal | random", None),
    ("list of int >= 1", 3),
    ("list of int >= 1", [0]),
    ("null | list of segmentation | normals", ["depth"]),
    ("map of float", {"a": "b"}),
    ("str", 3),
    ("null | file", 3),
    ("false", True),
    ("true", 1),
    ("true", "true"),
    ("18 | 34", 20),
    ("18", "18 "),
    ("1", True),
]


@pytest.mark.parametrize(("rule", "value", "expected"), ADMITTED)
def test_admitted(rule, value, expected):
    found = admit(rule, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("rule", "value"), REFUSED)
def test_refused(rule, value):
    with pytest.raises(NoMatchError):
        admit(rule, value)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("int in [0, epochs)", "int in [0, 3)"),
        ("null | int in (epochs, 9]", "null | int in (3, 9]"),
        ("false | true with split=wels", "false"),
        ("false | true with split=kels", "false | true"),
        ("int >= 1 | equal", "int >= 1 | equal"),
    ],
)
def test_what_holds_beside_other_keys(rule, expected):
    assert beside(rule, {"epochs": 3, "split": "kels"}) == expected


def test_the_keys_that_a_rule_refers_to():
    assert neighbours("null | int in [0, epochs)") == ["epochs"]
    assert neighbours("false | true with split=wels") == ["split"]
    assert neighbours("null | int >= 1 with split=wels | int >= 1 with split=kels") == ["split"]
    assert neighbours("float in [0, 1)") == []
