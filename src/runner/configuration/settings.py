"""The checked configuration of a run, as one frozen value; nothing heavy is imported here."""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.errors import DataError

GROUPS = ("method", "dataset", "model")
TRACKER = "tracker"  # a group of which a run may have no option, and of which nothing depends


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What was asked of a run: the keys of conf/config.yaml, and the options of its three groups.

    `method`, `dataset` and `model` hold the values of the chosen options, a choice inside one as a mapping of its own, and
    their keys that begin with an underscore (`_target_`, `_rules_`, ...), which are no settings.
    """

    seed: int
    scale: float
    selection: Literal["validation", "test", "last"]
    evaluation_batch: int
    evaluation_batches: int | None
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["float32", "tf32", "bfloat16"]
    threads: int | None
    cache_dir: str | None
    baseline_run: str | None
    published: dict[str, float] | None
    checkpoint_minutes: float
    method: dict[str, Any]
    dataset: dict[str, Any]
    model: dict[str, Any]
    choices: dict[str, str]  # "method", "dataset", "model" and "method/policy" -> the option's name
    compile: bool = False
    figures: bool = True  # drawn at the end
    given: tuple[
        str, ...
    ] = ()  # the method's keys that were given a whole number on the command line; none where scale is 1
    plugins: dict[str, str] = field(default_factory=dict)  # other people's packages that are used -> version
    neutral: dict[str, Any] = field(default_factory=dict)  # key of this class -> value at which it changes nothing
    objective: str | None = None  # a key of the summary's metrics
    batch_norm: Literal["whole", "per_process"] = "whole"  # where several processes make parts of a batch
    tracker: dict[str, Any] | None = None  # the values of the chosen option, as those of the groups
    sha256: dict[str, str] = field(
        default_factory=dict
    )  # setting that names a file, "model.weights" -> SHA-256 of the file

    def recorded(self) -> dict[str, Any]:
        """Plain values for config.yaml, from which `from_recorded` makes the same settings and the same identity."""
        groups = {group: _recorded(getattr(self, group)) for group in GROUPS}
        groups |= {TRACKER: _recorded(self.tracker)} if self.tracker is not None else {}
        return {**dataclasses.asdict(self), "given": list(self.given), **groups}

    @classmethod
    def from_recorded(cls, content: Mapping[str, Any]) -> "Settings":
        """The settings that a run recorded. Raises `DataError` where another version of the runner wrote them.

        A key that it lacks came later, and the value that it has here without being given changes nothing.
        """
        fields = {each.name: each for each in dataclasses.fields(cls)}
        needed = {name for name, each in fields.items() if each.default_factory is each.default is dataclasses.MISSING}
        differing = sorted((content.keys() - fields.keys()) | (needed - content.keys()))
        if differing:
            raise DataError(
                f"this run was recorded by another version of the runner ({', '.join(differing)}); use that version for it"
            )
        values = copy.deepcopy(dict(content))
        later = {name: fields[name].default for name in fields.keys() - content.keys() - needed}
        later = {name: value for name, value in later.items() if value is not dataclasses.MISSING}
        neutral = {**later, **values.get("neutral", {})}
        return cls(**{**values, "given": tuple(values.get("given", ())), "neutral": neutral})


def _recorded(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node's values; of what it says of itself, that which makes it and decides what of it counts for the identity."""
    values = {key: _recorded(value) if isinstance(value, dict) else value for key, value in node.items()}
    kept = {key: value for key, value in values.items() if key[0] != "_" or key in ("_target_", "_neutral_")}
    paths = {key: rule for key, rule in node.get("_rules_", {}).items() if {"path", "file"} & {*rule.split(" | ")}}
    return copy.deepcopy({**kept, "_rules_": paths} if paths else kept)
