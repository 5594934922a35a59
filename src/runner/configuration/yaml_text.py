"""What a text in YAML says."""

from typing import Any

import yaml

try:
    from yaml import CSafeLoader as FastLoader  # nine times as fast
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as FastLoader  # type: ignore[assignment]  # used alike


def plain(text: str | bytes) -> Any:
    """The plain values that a text in YAML stands for. Raises `yaml.YAMLError` where it is none."""
    try:
        return yaml.load(text, Loader=FastLoader)
    except (yaml.YAMLError, UnicodeEncodeError):
        # libyaml reads no names of files that are no UTF-8, which runs may record
        return yaml.safe_load(text)
