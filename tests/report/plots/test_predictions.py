import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from tests.report.plots.conftest import shown_texts
from torch.nn import functional as F

from runner.report.plots.palette import categorical
from runner.report.plots.predictions import _label_lines, kind, predictions
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation

NAMES = {"segmentation": [f"class {number}" for number in range(40)], "scene": ["bedroom", "living room", "office"]}


TASKS = {
    "segmentation": Segmentation(40),
    "normals": Normals(),
    "depth": Depth(),
    "disparity": Depth(quantity="inverse depth"),
    "edges": HeatMap(),
    "keypoints": HeatMap(),
    "scene": Classification(3),
    "other": Classification(3),
}


def said(images):
    return {"samples": range(100, 100 + len(images)), "caption": "test split, predictor trained"}


def everything(count=3, height=60, width=80, classes=40):
    generator = torch.Generator().manual_seed(0)

    def draw(channels, *size):
        return torch.rand(count, channels, *size, generator=generator)

    labels = (draw(1, height, width)[:, 0] * classes).long()
    labels[:, :4] = 255
    depth, edges = 5 * draw(1, height, width), draw(1, height, width)
    depth[:, :, :9], edges[0] = 0, torch.nan
    targets = {
        "segmentation": labels,
        "normals": F.normalize(draw(3, height, width) - 0.5, dim=1),
        "depth": depth,
        "disparity": depth,
        "edges": edges,
        "keypoints": edges,
        "scene": torch.arange(count) % 3,
    }
    channels = {"segmentation": classes, "normals": 3, "depth": 1, "disparity": 1, "edges": 1, "keypoints": 1}
    guesses = {task: draw(number, height, width) for task, number in channels.items()}
    guesses["segmentation"] = guesses["segmentation"].argmax(1)
    return draw(3, height, width), targets, {**guesses, "scene": torch.eye(3)[(torch.arange(count) + 1) % 3]}


@pytest.mark.parametrize(
    ("tasks", "names"),
    [
        (["segmentation"], {"segmentation": [str(number) for number in range(40)]}),
        (["normals"], NAMES),
        (["depth"], NAMES),
        (["segmentation", "normals", "depth", "disparity", "edges", "keypoints", "scene"], NAMES),
    ],
)
def test_dense_tasks(picture, tasks, names):
    images, targets, guesses = everything()
    chosen = [{task: values[task] for task in tasks} for values in (targets, guesses)]
    predictions(images, *chosen, TASKS, names, picture.path, **said(images))
    assert picture.is_sane()


@pytest.mark.parametrize("count", [1, 8])
def test_labels_alone(picture, count):
    images, targets, guesses = everything(count, 28, 28)
    chosen = [{"scene": values["scene"], "other": values["scene"]} for values in (targets, guesses)]
    predictions(images[:, :1], *chosen, TASKS, NAMES, picture.path, **said(images))
    assert picture.is_sane()


def test_events_are_shown(picture):
    counts = torch.zeros(1, 2, 34, 34)
    counts[0, 1, 10:20, 10:20] = 3
    classes = {"digit": torch.tensor([4])}
    predictions(
        counts,
        classes,
        {"digit": torch.eye(10)[[4]]},
        {"digit": Classification(10)},
        {},
        picture.path,
        **said(counts),
        events=True,
    )
    orange = np.rint(255 * np.array(to_rgb("#D55E00")))
    assert (np.abs(picture.pixels() - orange).max(-1) < 2).sum() > 100


def test_the_number_of_each_sample_and_whose_predictions_they_are_are_said(picture, monkeypatch):
    texts = []
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda drawn, *_: texts.extend(shown_texts(drawn.figure)))
    images, targets, guesses = everything(2)
    chosen = [{"depth": values["depth"]} for values in (targets, guesses)]
    predictions(images, *chosen, TASKS, {}, picture.path, **said(images))
    assert {"sample 100", "sample 101", "test split, predictor trained"} <= {text.get_text() for text in texts}


def test_a_task_is_shown_as_what_its_targets_are():
    _, targets, _ = everything()
    assert {task: kind(TASKS[task], targets[task]) for task in targets} == {
        "segmentation": "segmentation",
        "normals": "normals",
        "depth": "depth",
        "disparity": "inverse depth",
        "edges": "heat map",
        "keypoints": "heat map",
        "scene": "label",
    }


def test_labels_say_what_is_right():
    targets = {"scene": torch.tensor([0, 2]), "class": torch.tensor([1, 1])}
    guesses = {"scene": torch.eye(3)[[0, 1]], "class": torch.eye(3)[[1, 0]]}
    (right, good), *_ = _label_lines(0, ["scene"], targets, guesses, NAMES)
    (wrong, bad), *_ = _label_lines(1, ["scene"], targets, guesses, NAMES)
    assert (right, wrong) == ("✓ bedroom", "✗ living room, is office")
    assert good != bad
    both = [(text, shade) for text, shade in _label_lines(1, ["scene", "class"], targets, guesses, NAMES)]
    assert both == [("✗ scene: living room, is", bad), ("   office", bad), ("✗ class: 0, is 1", bad)]


def test_long_names_are_cut_to_three_lines():
    names = {"class": ["a very long name of a class that does not end " * 2, "another"]}
    lines = _label_lines(0, ["class"], {"class": torch.tensor([1])}, {"class": torch.eye(2)[:1]}, names)
    assert len(lines) == 3
    assert lines[-1][0].endswith(" …")
    assert all(len(text) <= 24 for text, _ in lines)


def test_the_picture_shows_the_classes(picture):
    target = torch.zeros(1, 40, 40, dtype=torch.int64)
    guess, names = torch.full((1, 40, 40), 2), {"segmentation": ["wall", "floor", "table"]}
    image = torch.rand(1, 3, 40, 40)
    predictions(image, {"segmentation": target}, {"segmentation": guess}, TASKS, names, picture.path, **said(image))
    pixels, (truth, _, found) = picture.pixels(), np.rint(255 * categorical(3)).astype(int)
    third = pixels.shape[1] // 3
    middle = pixels.shape[0] // 2
    assert pixels[middle, third + third // 2].tolist() == truth.tolist()
    assert pixels[middle, 2 * third + third // 2].tolist() == found.tolist()


def test_nothing_labelled_and_bfloat16(picture):
    images, targets, guesses = everything()
    empty = {"depth": torch.zeros_like(targets["depth"]), "edges": torch.full_like(targets["edges"], torch.nan)}
    guesses = {task: guesses[task].bfloat16() for task in empty}
    predictions(images.bfloat16(), empty, guesses, TASKS, {}, picture.path, **said(images))
    assert picture.is_sane()
