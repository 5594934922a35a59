"""What an exported network sees in a picture: at the picture's size, in the tasks' units, or why not."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from runner.errors import ConfigurationError, DataError
from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract, rehearse
from runner.export import Exported, export, load
from runner.export.network import stored
from runner.export.resolve import seen
from runner.models.composed import Following
from runner.policies.stochastic_depth import StochasticDepthPolicy
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.record import definition
from runner.tasks.segmentation import Segmentation
from tests import tiny
from tests.export.runs import finished_run, images, without

SIDE = 32
TASKS = {"segmentation": Segmentation(2), "normals": Normals(), "depth": Depth(), "scene": Classification(3)}
PREPARATION = {"size": [SIDE, SIDE], "mean": [0.0] * 3, "std": [1.0] * 3, "channels": "RGB", "shorter_side": None}


class Brightness(nn.Module):
    """Every fourth pixel of the picture, which its brightness makes deep, and of class 1 where it is over a half."""

    def forward(self, images):
        cells = images[:, :1, ::4, ::4]
        return {
            "segmentation": torch.cat((torch.full_like(cells, 0.5), cells), 1),
            "normals": torch.cat((cells, torch.zeros_like(cells), -2 * cells), 1),
            "depth": 10 * cells,
            "scene": cells.mean((2, 3)) * torch.tensor([0.0, 1.0, 2.0]),
        }


def net(**changes):
    content = {
        "tasks": {name: task.channels for name, task in TASKS.items()},
        "definitions": {name: definition(task) for name, task in TASKS.items()},
        "class_names": {"segmentation": ["dark", "bright"]},
        "input_shape": [3, 16, 16],  # a training crop
        "preparation": PREPARATION,
    }
    return Exported(Brightness(), {**content, **changes})


def ramp(height, width):
    """Brightness grows from 0 at the left edge to 1 at the right."""
    return np.broadcast_to((np.arange(width) + 0.5) / width, (height, width)).copy()


@pytest.mark.parametrize("size", [(SIDE, SIDE), (50, 70), (9, 200), (1, 1), (301, 17)])
def test_answers_are_of_the_pictures_size_and_in_units(size):
    found = net()
    seen = found.postprocess(found(found.preprocess(ramp(*size))))
    shapes = {"segmentation": size, "normals": (*size, 3), "depth": size, "scene": (3,)}
    assert {task: value.shape for task, value in seen.items()} == shapes
    assert seen["segmentation"].dtype == np.int64
    assert {value.dtype for task, value in seen.items() if task != "segmentation"} == {np.dtype("float32")}
    assert seen["scene"].sum() == pytest.approx(1)
    assert set(seen["segmentation"].flatten().tolist()) <= {0, 1}


@pytest.mark.parametrize("width", [64, 320, 24])
def test_a_cell_lies_where_it_was_seen_in_the_picture(width):
    found = net()
    seen = found.postprocess(found(found.preprocess(ramp(20, width))))
    # pixel x of the picture is at (x + 1/2) 32 / width - 1/2 of the evaluated one, whose ramp 4-cells know up to its pixel 28
    place = (np.arange(width) + 0.5) * SIDE / width - 0.5
    inner = (place > 1) & (place < 27)
    expected = 10 * (np.arange(width) + 0.5) / width
    assert (
        np.abs(seen["depth"] - expected)[:, inner].max() < 0.1
    )  # of 10 m; 0.15 were half a pixel of the evaluated picture
    # brightness is a half in the middle of the picture: there class 1 begins, one pixel of the evaluated picture to and fro
    first = (seen["segmentation"] == 1).argmax(1)
    assert np.abs(first - width / 2).max() <= width / SIDE
    lengths = np.linalg.norm(seen["normals"], axis=-1)
    np.testing.assert_allclose(lengths[:, inner], 1, atol=1e-6)


def test_at_the_evaluated_size_it_is_what_is_measured():
    found = net()
    predictions = found(found.preprocess(np.random.default_rng(0).random((SIDE, SIDE, 3))))
    seen = found.postprocess(predictions)
    measured = {task: TASKS[task].resolved(value, (SIDE, SIDE))[0].numpy() for task, value in predictions.items()}
    np.testing.assert_array_equal(seen["segmentation"], measured["segmentation"])
    np.testing.assert_array_equal(seen["depth"], measured["depth"][0])
    np.testing.assert_array_equal(seen["normals"], np.moveaxis(measured["normals"], 0, -1))
    np.testing.assert_array_equal(seen["scene"], measured["scene"])


def test_large_pictures_are_made_in_strips_that_do_not_show(monkeypatch):
    found = net()
    predictions = found(found.preprocess(np.random.default_rng(0).random((90, 70, 3))))
    whole = found.postprocess(predictions)
    monkeypatch.setattr(
        "runner.export.resolve._AT_ONCE", 70 * 7
    )  # seven rows of depth, three of a segmentation of two classes
    for task, value in found.postprocess(predictions).items():
        np.testing.assert_array_equal(value, whole[task])


def test_the_size_is_that_of_the_last_picture_or_the_one_given():
    found = net()
    with pytest.raises(ConfigurationError, match=r"size is not known; give size=\(height, width\)"):
        found.postprocess(found(torch.zeros(1, 3, SIDE, SIDE)))
    inputs = found.preprocess(Image.new("L", (7, 5)))
    assert found.postprocess(found(inputs))["depth"].shape == (5, 7)
    assert found.postprocess(found(inputs), size=(3, 4))["depth"].shape == (3, 4)
    assert found.postprocess({"scene": torch.zeros(1, 3)}, size=(3, 4))["scene"].tolist() == pytest.approx([1 / 3] * 3)
    with pytest.raises(ConfigurationError, match="predictions of 'segmentation' are of 2 pictures"):
        found.postprocess(found(inputs.expand(2, -1, -1, -1)))


def test_maps_of_the_centre_are_not_of_the_picture():
    found = net(preparation={**PREPARATION, "shorter_side": 36})
    predictions = found(found.preprocess(Image.new("RGB", (70, 50))))
    with pytest.raises(ConfigurationError, match="the centre of the picture alone"):
        found.postprocess(predictions)
    assert found.postprocess({"scene": predictions["scene"]})["scene"].shape == (3,)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([5, 2, 34, 34], r"takes no pictures but recordings of events \(T, C, H, W\); .* of \(5, 2, 34, 34\)"),
        ([3, 16, 16], r"does not say how pictures become its inputs .*; .* of \(3, 16, 16\)"),
    ],
)
def test_where_pictures_make_no_sense_it_says_so(shape, said):
    found = net(preparation=None, input_shape=shape)
    with pytest.raises(ConfigurationError, match=said):
        found.preprocess(Image.new("RGB", (5, 5)))


def test_networks_of_older_runs_load_and_predict_but_do_not_know_what_they_see(tmp_path):
    run = finished_run(tmp_path, "hard_sharing", "dataset.tasks=[segmentation,depth]")
    older = without(run, tmp_path / "older", "definitions", "preparation")
    export(run.path, output=tmp_path / "new")
    export(older.path, output=tmp_path / "old")
    inputs, old, new = images(run, 1), load(tmp_path / "old"), load(tmp_path / "new")
    assert all(torch.equal(value, new(inputs)[task]) for task, value in old(inputs).items())
    with pytest.raises(DataError, match="did not record how pictures become its inputs"):
        old.preprocess(Image.new("RGB", (5, 5)))
    with pytest.raises(DataError, match="did not record what its predictions mean"):
        old.postprocess(old(inputs))


def test_a_folder_that_is_no_export_is_named(tmp_path):
    with pytest.raises(DataError, match=r"holds no exported network \(no config.json\)"):
        load(tmp_path)


def test_other_peoples_tasks_need_their_package_admitted():
    definitions = {"depth": {"_target_": "tests.tasks.others.Offset", "metrics": "standard", "offset": 2.0}}
    content = {"tasks": {"depth": 1}, "definitions": definitions, "class_names": {}, "preparation": None}
    with pytest.raises(ConfigurationError, match=r"plugins=\[tests\]"):
        Exported(nn.Identity(), content)
    assert Exported(nn.Identity(), content, ["tests"]).tasks["depth"].offset == 2.0


def test_a_direction_counts_alike_whatever_its_length():
    """One cell looks right, the next down and a hundred times as long: between them lies their middle, at any size."""
    cells = torch.zeros(1, 3, 1, 2)
    cells[0, 0, 0, 0], cells[0, 1, 0, 1] = 1, 100
    measured, other = (seen(Normals(), cells, (1, 8), size) for size in ((1, 8), (1, 16)))
    np.testing.assert_allclose(measured[0, 2], np.array([1, 1, 0]) / np.sqrt(2), atol=1e-6)
    # pixels 4 and 5 of sixteen lie a quarter of a pixel before and behind pixel 2 of eight, a half and a sixteenth of the way
    share = np.array([7, 9]) / 16
    expected = np.stack([1 - share, share, 0 * share], -1)
    np.testing.assert_allclose(other[0, 4:6], expected / np.linalg.norm(expected, axis=-1, keepdims=True), atol=1e-6)


class Sliced(nn.Module):
    """Turns the sign of as many channels as it holds the number of."""

    def __init__(self, tasks, input_shape):
        super().__init__()
        self.a, self.turned, self.b = nn.Conv2d(input_shape[0], 8, 1), 6, nn.Conv2d(8, tasks["depth"], 1)

    def forward(self, x):
        x = self.a(x)
        return {"depth": self.b(torch.cat((-x[:, : self.turned], x[:, self.turned :]), 1))}


def test_numbers_that_followed_in_a_slim_network_are_exported(tmp_path):
    definitions = {"depth": definition(Depth())}
    content = {
        "model": {"_target_": "tests.export.test_network.Sliced"},
        "tasks": {"depth": 1},
        "input_shape": [3, 4, 4],
    }
    content |= {"definitions": definitions, "class_names": {}, "preparation": None}
    model, example = Sliced(content["tasks"], content["input_shape"]), torch.randn(2, 3, 4, 4)
    assert stored(model)[0] == {"form": None}
    masks = kels(model, example, 0.5)
    slim = extract(model, masks, example, rehearse(model, masks, example))
    form, tensors = stored(slim)
    assert form == {"form": None, "numbers": {"": {"turned": 3}}}
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(content | form))
    again = load(tmp_path, ["tests"])
    assert torch.equal(again(example)["depth"], slim(example)["depth"])


def test_a_network_whose_blocks_are_chosen_for_each_picture_is_refused_in_words():
    class Looking(StochasticDepthPolicy):
        settled = False

    policy = Looking(survival=0.5, tasks=["first"], blocks=4)
    network = Following(tiny.dense({"first": 3}), policy, torch.ones(1, 4))
    with pytest.raises(
        ConfigurationError, match=r"policy decides for each of them; take a run of another method.policy"
    ):
        stored(network)
