"""The options of the command that begin with a dash: what Hydra has, in any place, and what of it is refused in words."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from runner.errors import ConfigurationError

_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What the options ask for; without any, one run."""

    help: bool = False
    version: bool = False
    multirun: bool = False
    cfg: str | None = None  # show the composed configuration: job, hydra or all
    package: str | None = None  # only this part of it
    resolve: bool = False
    info: str | None = None
    hydra_help: bool = False
    shell_completion: bool = False
    config_dir: Path | None = None

    def typed(self) -> list[str]:
        """These options as Hydra takes them."""
        given = {"--cfg": self.cfg, "--package": self.package, "--info": self.info, "--config-dir": self.config_dir}
        found = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        switches = {
            "--multirun": self.multirun,
            "--resolve": self.resolve,
            "--hydra-help": self.hydra_help,
            "--shell-completion": self.shell_completion,
        }
        return found + [name for name, given in switches.items() if given]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message.removeprefix('argument ')}; see --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--version", "-V", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--run", "-r", action="store_true")
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    parser.add_argument("--package", "-p")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--info", "-i", const="all", nargs="?", choices=_INFO)
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("--shell-completion", "-sc", action="store_true")
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--config-name", "-cn")
    parser.add_argument("--config-path", "-cp")
    parser.add_argument("--experimental-rerun")
    return parser


def names() -> list[str]:
    """Every option in full."""
    return [word for action in _parser()._actions for word in action.option_strings if word.startswith("--")]


def parse(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """The options among the command's arguments, and its other words in their order, unknown options among them.

    Raises `ConfigurationError` for an option or a pair of options that Hydra has and that would not do here what one expects.
    """
    given, words = _parser().parse_known_args(list(arguments))
    if given.config_name is not None:
        raise ConfigurationError(
            f"--config-name {given.config_name} would start another experiment than that file's; choose what to run by "
            "experiment=..., method=..., and add a folder of recipes of your own by --config-dir"
        )
    if given.config_path is not None:
        raise ConfigurationError(
            f"--config-path {given.config_path} would hide the runner's own options; add yours to them by --config-dir "
            f"{given.config_path}"
        )
    if given.experimental_rerun is not None:
        raise ConfigurationError(
            "--experimental-rerun needs a config.pickle, which no run writes; type the run's command again: it goes on, "
            "or says that it is finished"
        )
    _require_one(given)
    kept = {key: value for key, value in vars(given).items() if key in Flags.__dataclass_fields__}
    return Flags(**{**kept, "config_dir": _folder(given.config_dir)}), words


def _require_one(given: argparse.Namespace) -> None:
    if given.multirun and given.cfg:
        raise ConfigurationError(
            f"--cfg {given.cfg} shows one configuration; leave out -m and give every key one value"
        )
    asked = {
        "--run": given.run,
        "--multirun": given.multirun,
        "--cfg": given.cfg,
        "--info": given.info,
        "--shell-completion": given.shell_completion,
    }
    several = [name for name, value in asked.items() if value]
    if len(several) > 1:
        raise ConfigurationError(f"{' and '.join(several)} ask for different things; give one of them")
    for name, value in (("--resolve", given.resolve), ("--package", given.package)):
        if value and not given.cfg:
            raise ConfigurationError(f"{name} says how --cfg shows a configuration; add --cfg job")


def _folder(typed: str | None) -> Path | None:
    """The folder of `--config-dir`, from the root."""
    if typed is None:
        return None
    folder = Path(os.path.expanduser(typed)).absolute()
    if not folder.is_dir():
        raise ConfigurationError(
            f"--config-dir {typed} is no folder; give one that holds method/, experiment/ or the like"
        )
    if (folder / "config.yaml").exists():
        raise ConfigurationError(
            f"--config-dir {typed}: its config.yaml would not be read, as the runner's own has that name; "
            + (
                "this is the folder of a run, which goes on when its command is typed again"
                if (folder / "metrics.jsonl").exists() or (folder / "summary.json").exists()
                else "make it a recipe, experiment/NAME.yaml in that folder, and choose experiment=NAME"
            )
        )
    return folder
