"""Errors that are the user's to mend, each with the exit code of the command."""

import sys
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

Chosen = TypeVar("Chosen")


class UserError(ValueError):
    """What a user can mend; `code` is the exit code of the command."""

    code: int


class ConfigurationError(UserError):
    """A key, value or combination that cannot run; names the key, the value, what is allowed and the remedy."""

    code = 2


class DataError(UserError):
    """Data that are missing or broken; names the file, the index, what was found and what was expected."""

    code = 3


class DivergedError(UserError):
    """A loss, gradient, parameter or metric that is not finite; names stage, step and task."""

    code = 4


class CheckpointError(UserError):
    """A checkpoint that is damaged or belongs to another run."""

    code = 5


class BusyError(UserError):
    """A run folder that another process is writing to."""

    code = 7


class LostError(UserError):
    """Another process of the run that is no more."""

    code = 8


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error that a user can mend: the error's own, 6 for disk and permission; None for a bug of ours."""
    if isinstance(error, UserError):
        return error.code
    return 6 if isinstance(error, OSError) else None


def told(error: Exception) -> int:
    """Say an error that a user can mend on stderr and return its exit code; a bug of ours is raised on."""
    code = exit_code(error)
    if code is None:
        raise error
    print(f"runner: {error}", file=sys.stderr)
    return code


def chosen(key: str, word: object, options: Mapping[Any, Chosen]) -> Chosen:
    """What a word stands for in a closed set; `ConfigurationError` for any other word, never the last branch of an `if`."""
    if word not in options:
        raise ConfigurationError(f"{key}={word} is not allowed; use {' or '.join(options)}")
    return options[str(word)]


def require_word(key: str, value: object, words: Any) -> None:
    """Raise `ConfigurationError` unless `value`, the setting `key`, is one of those of the `Literal` type `words`."""
    if value not in get_args(words):
        raise ConfigurationError(f"{key}={value} is not allowed; use {' or '.join(map(str, get_args(words)))}")
