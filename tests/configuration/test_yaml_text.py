"""Texts in YAML as plain values, also where libyaml cannot read them."""

import pytest
import yaml

from runner.configuration.yaml_text import plain


@pytest.mark.parametrize("value", [{"root": "a\udcffb"}, {"root": "한글", "rates": [1.0e-3, None, True]}, [], "text"])
def test_what_was_written_is_read(value):
    assert plain(yaml.safe_dump(value)) == value


@pytest.mark.parametrize("text", ["a\udcffb", "[1, 2", "a: b: c"])
def test_what_is_no_yaml_is_told_in_one_kind_of_error(text):
    with pytest.raises(yaml.YAMLError):
        plain(text)
