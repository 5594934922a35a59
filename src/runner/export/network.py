"""An exported network with what goes before and after it: pictures in, and what is seen in them out."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, final

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from runner.configuration.construct import construct_model
from runner.errors import ConfigurationError, DataError
from runner.evolution import slim
from runner.evolution.written import numbers, put
from runner.export.recorded import recorded_tasks, require_known
from runner.export.resolve import seen
from runner.extras import needed
from runner.models import Routed
from runner.models.compiled import compiled, never_executed
from runner.models.composed import Ensemble, Executed, Following, Separate
from runner.models.converted import ConvertedNetwork
from runner.models.deeplab import DeepLab
from runner.models.relu import ReluNetwork
from runner.preparation import Picture, Preparation, colours_of

Built = TypeVar("Built", bound=nn.Module)
WEIGHTS, DESCRIPTION = "model.safetensors", "config.json"


@final
class Exported:
    """A network for pictures: `net.postprocess(net(net.preprocess("picture.jpg")))`.

    `model` is the module, in evaluation mode; `tasks` and `class_names` say what it predicts; `preparation` is what
    `preprocess` does, None where inputs are no pictures or where the run, of an older version, did not say.
    """

    def __init__(self, model: nn.Module, content: Mapping[str, Any], plugins: Collection[str] = ()) -> None:
        """`content` is that of an export's config.json; tasks of other people's classes need their package in `plugins`."""
        self.model, self.content = model.eval(), content
        self.tasks = recorded_tasks(content, plugins)
        self.class_names: Mapping[str, Sequence[str]] = content["class_names"]
        found = content.get("preparation")
        self.preparation = Preparation.from_recorded(found) if found else None
        self._size: tuple[int, int] | None = None  # of the last picture

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> dict[str, Tensor]:
        """The model's predictions {task: prediction} of a batch of inputs, without gradients."""
        predictions: dict[str, Tensor] = self.model(inputs)
        return predictions

    def preprocess(self, picture: Picture) -> Tensor:
        """A batch of one, (1, C, H, W), of a picture: a path, a Pillow picture or an array, of any size and kind.

        See `runner.preparation.colours_of` for what is taken for a picture. Raises `ConfigurationError` where the network takes
        no pictures, `DataError` where the picture cannot be read or where the run did not say how its pictures were prepared.
        """
        preparation = self.require_pictures()
        colours = colours_of(picture)
        self._size = (colours.shape[1], colours.shape[2])
        return preparation(colours)

    def postprocess(
        self, predictions: Mapping[str, Tensor | NDArray[Any]], size: tuple[int, int] | None = None
    ) -> dict[str, NDArray[Any]]:
        """What the predictions of one picture say, in the tasks' units: {task: array}.

        Of dense tasks at the picture's `size` (H, W), by default that of the picture that `preprocess` saw last: class numbers
        (H, W) int64, unit normals (H, W, 3), metres or a heat map (H, W). Of label tasks the classes' probabilities (classes,).
        Predictions of the network in another form, as arrays, will do as well.
        """
        for task, prediction in predictions.items():
            require_known(self.tasks[task])
            if len(prediction) != 1:
                raise ConfigurationError(
                    f"predictions of '{task}' are of {len(prediction)} pictures; give those of one, [i : i + 1] of each"
                )
        size = size or self._size
        evaluated = self.preparation.size if self.preparation else self.content["input_shape"][-2:]
        if any(self.tasks[task].kind != "label" for task in predictions):
            if size is None:
                raise ConfigurationError("the picture's size is not known; give size=(height, width)")
            if self.preparation and self.preparation.shorter_side:
                raise ConfigurationError(
                    "the network saw the centre of the picture alone; its maps are not of all of it"
                )
        return {
            task: seen(self.tasks[task], torch.as_tensor(prediction).detach().cpu(), evaluated, size or evaluated)
            for task, prediction in predictions.items()
        }

    def require_pictures(self) -> Preparation:
        """How pictures are prepared; raises `ConfigurationError` where it takes none, `DataError` where that is unknown."""
        if self.preparation:
            return self.preparation
        shape = ", ".join(map(str, self.content["input_shape"]))
        if "preparation" not in self.content:
            raise DataError(
                "the run of this network did not record how pictures become its inputs (an older version of the runner made "
                f"it); give net(inputs) batches of ({shape}), prepared as config.json says under data"
            )
        reason = (
            "this network takes no pictures but recordings of events (T, C, H, W)"
            if len(self.content["input_shape"]) == 4
            else "the dataset of this network's run does not say how pictures become its inputs (Dataset.preparation)"
        )
        raise ConfigurationError(f"{reason}; give net(inputs) batches of ({shape})")


def load(folder: str | Path, plugins: Collection[str] = ()) -> Exported:
    """The network in an exported folder; it predicts as in the run.

    A network or a task of someone else's is loaded where its package is one of `plugins` or installed as a plugin. Raises
    `DataError` where `folder` holds no export.
    """
    place = Path(folder)
    if not (place / DESCRIPTION).is_file():
        raise DataError(f"{folder} holds no exported network (no {DESCRIPTION}); python -m runner.export RUN makes one")
    content = json.loads((place / DESCRIPTION).read_text())
    state = needed("safetensors.torch", "export").load_file(place / WEIGHTS)
    return Exported(_network(content, state, plugins), content, plugins)


def stored(network: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What config.json says of how a trained network is made, and the tensors that model.safetensors holds of it.

    Of a network that executes a policy these are as they were trained, each but once and less those that no task needs:
    `load` compiles the policy in, which makes copies of what tasks run with statistics of their own.
    """
    match network:
        case Separate():
            return {"form": "separate"}, network.state_dict()
        case Ensemble():
            return {"form": "ensemble", "members": len(network.members)}, network.state_dict()
        case Executed(network=DeepLab() as whole) if _decided(network):
            unused = never_executed(whole, network.gates)
            kept = {name: value for name, value in whole.state_dict().items() if name not in unused}
            return {"form": "compiled", "gates": network.gates.int().tolist()}, kept
        case Executed():
            return {"form": "executed"}, network.state_dict()
        case ConvertedNetwork():
            return {"form": "converted", "conversion": network.settings()}, network.state_dict()
        case Following():
            raise ConfigurationError(
                "exports and predictions are made of networks that treat all pictures alike, and this run's policy decides for "
                "each of them; take a run of another method.policy, such as gumbel"
            )
    followed = numbers(network)
    return {"form": None, **({"numbers": followed} if followed else {})}, network.state_dict()


def for_inference(network: nn.Module) -> nn.Module:
    """A trained network as it is exported: its policy compiled in, if it is one that executes a policy."""
    if isinstance(network, Executed) and isinstance(network.network, DeepLab) and _decided(network):
        return compiled(network.network, network.gates)
    return network


def _decided(network: Executed) -> bool:
    """Whether blocks are executed or skipped, not weighed, of a class that computes nothing else."""
    return type(network.network) is DeepLab and bool(((network.gates == 0) | (network.gates == 1)).all())


def _network(content: Mapping[str, Any], state: Mapping[str, Tensor], plugins: Collection[str]) -> nn.Module:
    """The network that `stored` told of."""
    model, tasks, shape = content["model"], content["tasks"], content["input_shape"]
    kind = content.get("form")  # exports of older versions do not say, and are none of those below
    if kind == "separate":
        separate = {name: construct_model(model, {name: channels}, shape, plugins) for name, channels in tasks.items()}
        return _filled(Separate(separate), state)
    if kind == "ensemble":
        members = [construct_model(model, tasks, shape, plugins) for _ in range(content["members"])]
        return _filled(Ensemble(members), state)
    network = construct_model(model, tasks, shape, plugins)
    if kind == "converted":
        assert isinstance(network, ReluNetwork)
        return _filled(ConvertedNetwork(network, input_shape=shape, **content["conversion"]), state)
    if kind == "executed":
        assert isinstance(network, Routed)
        return _filled(Executed(network, torch.ones(len(tasks), len(network.blocks))), state)
    if kind == "compiled":
        assert isinstance(network, DeepLab)
        gates = torch.tensor(content["gates"])
        return compiled(_filled(network, {**never_executed(network, gates), **state}), gates)
    put(network, content.get("numbers", {}))
    return _filled(network, state)


def _filled(network: Built, state: Mapping[str, Tensor]) -> Built:
    slim.load(network, state)
    return network
