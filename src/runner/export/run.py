"""A finished run as a source of networks; needs no data."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from runner.configuration import files
from runner.configuration.construct import construct_method, construct_model
from runner.configuration.plugins import registered
from runner.configuration.settings import Settings
from runner.errors import ConfigurationError, DataError
from runner.export.recorded import recorded_tasks
from runner.method import Method, Setup
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.stages import main_predictor


class Run:
    """A finished run with the weights of its best evaluation.

    `plugins` are the packages beside the runner whose classes may be used. Raises `DataError` where `path` is no finished run,
    and `ConfigurationError` where it runs code of packages that are not among them.
    """

    def __init__(self, path: Path, plugins: Collection[str] = ()) -> None:
        self.folder, self.plugins = RunFolder(path), plugins
        if not self.folder.finished():
            raise DataError(f"{path} holds no finished run; give the folder that the runner printed at its end")
        self.summary: Mapping[str, Any] = self.folder.summary()
        self.settings = _completed(Settings.from_recorded(self.folder.configuration()))
        strangers = sorted(self.settings.plugins.keys() - set(plugins) - registered())
        if strangers:
            raise ConfigurationError(
                f"{path} runs code of {', '.join(strangers)}; if you trust it, add --plugins {' '.join(strangers)}"
            )

    def build(self, names: Sequence[str]) -> nn.Module:
        """A fresh network for some of the run's tasks."""
        network = self.summary["network"]
        channels = {name: network["tasks"][name] for name in names}
        return construct_model(self.settings.model, channels, network["input_shape"], self.plugins)

    @cached_property
    def method(self) -> Method:
        """The method, in evaluation mode."""
        network = self.summary["network"]
        setup = Setup(
            build=self.build,
            tasks=recorded_tasks(network, self.plugins),
            sizes=self.summary["data"]["sizes"],
            batch_size=self.settings.method["batch_size"],
            scale=self.settings.scale,
            example=torch.zeros(network["input_shape"]).unsqueeze(network["axis"]),
            given=frozenset(self.settings.given),
        )
        method: Method = construct_method(self.settings.method, setup, self.plugins)
        method.load_state_dict(Checkpoints(self.folder.checkpoints, {}).load_best(torch.device("cpu"))["method"])
        return method.eval()

    @cached_property
    def networks(self) -> Mapping[str, Callable[[], nn.Module]]:
        """The predictors that are networks of their own, the main one first."""
        found = {name: each.network for name, each in self.method.predictors().items() if each.network is not None}
        return {name: found[name] for name in sorted(found, key=lambda name: name != self.main)}

    @property
    def main(self) -> str:
        """The predictor that scores and is shown."""
        return main_predictor(self.method.stages())

    def network(self, predictor: str | None = None) -> tuple[str, nn.Module]:
        """The network of a predictor, by default of the main one, and its name; raises `ConfigurationError`."""
        name = predictor or self.main
        if name not in self.networks:
            known = ", ".join(self.networks) or "none of this method's"
            raise ConfigurationError(f"--predictor {name} is not a network of this run; its networks are: {known}")
        return name, self.networks[name]().eval()

    def evaluated(self) -> Tensor:
        """Zeros in the shape of a batch of one as it was evaluated; of a training batch where the run did not say."""
        network = self.summary["network"]
        preparation = network.get("preparation")
        shape: list[int] = network["input_shape"]
        if preparation is not None:
            shape = [*shape[:-2], *preparation["size"]]
        return torch.zeros(shape).unsqueeze(network["axis"])


def _completed(settings: Settings) -> Settings:
    """An older run's settings with the keys that came later, at the values that change nothing."""

    def whole(group: str, node: Mapping[str, Any]) -> dict[str, Any]:
        option = files.options(group).get(settings.choices[group], {})
        later = {key: value for key, value in option.get("_neutral_", {}).items() if key in option}
        return {**later, **node}

    return replace(settings, method=whole("method", settings.method), model=whole("model", settings.model))
