"""What a text in YAML says."""

from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader  # nine times as fast
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]


def plain(text: str | bytes) -> Any:
    """The plain values that a text in YAML stands for. Raises `yaml.YAMLError` where it is none."""
    return yaml.load(text, Loader=SafeLoader)
