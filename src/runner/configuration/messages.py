"""Hydra's and OmegaConf's errors in the runner's own words: the key, the value, what is allowed, the nearest spelling."""

import difflib
import re

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from runner.configuration import files
from runner.configuration.check import unknown_key


def root_cause(error: BaseException) -> BaseException:
    """The error that a resolver or a composition step wrapped, or `error` itself."""
    while isinstance(error, (OmegaConfBaseException, ConfigCompositionException)) and error.__cause__ is not None:
        if isinstance(error, MissingConfigException) or "Could not override" in str(error):
            break
        error = error.__cause__
    return error


def explain(error: BaseException) -> str | None:
    """What is wrong with the command line, if that is what `error` says; otherwise nothing."""
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    if isinstance(error, OverrideParseException):
        return f"cannot read '{error.override}': {str(error).splitlines()[0]}"
    if isinstance(error, ConfigCompositionException):
        text = str(error)
        key = re.search(r"Could not (?:override|delete|append)[^']*'([^']+)'", text)
        return unknown_key(key[1].partition("@")[0], []) if key else text.splitlines()[0]
    if type(error) is ValueError and "Config group override" in str(error):
        return str(error).splitlines()[0]
    if isinstance(error, (OmegaConfBaseException, HydraException)):
        key = re.search(r"full_key: (\S+)", str(error))
        where = f"{key[1]}: " if key and "interpolation" not in str(error) else ""
        return where + re.sub(r"^\w+ raised while resolving interpolation: ", "", str(error).splitlines()[0])
    return None


def _missing_option(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    root = group.partition("/")[0]
    if root == "experiment":
        name = f"{group}/{name}".removeprefix("experiment/")
    known = list(files.options(root)) if (files.folder() / root).is_dir() and root else list(error.options or [])
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean '{match[0]}'?" if match else ""
    return f"{root or 'group'}={name} does not exist; choose {root}={'|'.join(known)}{hint}"
