"""The command's arguments: its options, and its overrides in Hydra's spelling."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.configuration import files, task_maps, words
from runner.configuration.flags import Flags, parse
from runner.configuration.overrides import spelled
from runner.configuration.parts import refuse_sweep
from runner.errors import ConfigurationError
from runner.processes import processes

_SEVERAL = ",*?"  # what a value has that stands for several options


@dataclass(frozen=True)
class Command:
    """What was typed, in Hydra's spelling."""

    flags: Flags
    overrides: list[str]

    def for_hydra(self) -> list[str]:
        """All of it."""
        return [*self.flags.typed(), *self.overrides]

    def options(self) -> list[str]:
        """The groups that options were chosen from, `method` also for a choice inside it."""
        keys = [override.partition("=")[0].partition("/")[0] for override in self.overrides]
        return [group for group in files.CHOSEN if group in keys]


def read(arguments: Sequence[str]) -> Command:
    """The command's arguments; remembers the folder of `--config-dir`.

    Raises `ConfigurationError` for what cannot be read and what would not do what it says.
    """
    flags, rest = parse(arguments)
    for folder in (Path.cwd(), *([flags.config_dir] if flags.config_dir else [])):
        if "${" in str(folder):
            raise ConfigurationError(
                f"{folder} has ${{ in its name, which Hydra takes for that of a setting; use another folder"
            )
    files.search([flags.config_dir] if flags.config_dir else [])
    if flags.shell_completion:  # its words are Hydra's own
        return Command(flags, rest)
    typed = words.joined(rest)
    for place, word in enumerate(typed):
        if word.startswith(("-", "=")) or not ("=" in word or word.startswith("~")):
            words.refuse(typed, place)
    multirun = flags.multirun or "hydra.mode=MULTIRUN" in typed
    if multirun:
        refuse_sweep(processes().count)
    if flags.cfg is None:
        _require_own_folder(typed, multirun)
    swept = multirun and any(_over_options(word) for word in typed)
    found = [spelled(word, multirun, swept) for word in _with_whole_lists(typed, multirun)]
    return Command(flags, found)


def _with_whole_lists(typed: Sequence[str], multirun: bool) -> list[str]:
    """The words with lists that stand where a map by task belongs in the place of the whole map.

    Hydra would refuse to merge the two before anybody knows the run's tasks, by which the map could be spelled out.
    """
    found = []
    for word in typed:
        key, _, value = word.partition("=")
        name = key.lstrip("+")
        several = "," in value and not multirun and value[0] not in "[{"
        if (value.startswith("[") or several) and task_maps.holds_one(name):
            found += [f"~{name}", f"+{name}=[{value}]" if several else f"+{name}={value}"]
        else:
            found.append(word)
    return found


def _over_options(text: str) -> bool:
    """Whether an override stands for several options of a group."""
    key, _, value = text.partition("=")
    return key in files.CHOSEN and any(letter in value for letter in _SEVERAL)


def _require_own_folder(typed: Sequence[str], multirun: bool) -> None:
    """A folder that only the other kind of command reads is refused: the runs would be elsewhere than was typed."""
    keys = {word.partition("=")[0].lstrip("+") for word in typed}
    if multirun and "hydra.run.dir" in keys and not keys & {"hydra.sweep.dir", "hydra.sweep.subdir"}:
        raise ConfigurationError(
            "hydra.run.dir is the folder of one run; with -m write hydra.sweep.dir=PATH, which holds all"
        )
    if not multirun and "hydra.sweep.dir" in keys and "hydra.run.dir" not in keys:
        raise ConfigurationError("hydra.sweep.dir holds the runs of a sweep; without -m write hydra.run.dir=PATH")
