"""What every kind of task promises."""

import math
from dataclasses import FrozenInstanceError, fields
from math import isnan

import pytest
import torch
from torch.nn import functional as F

from runner.errors import ConfigurationError
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation

DENSE = {
    "segmentation": Segmentation(classes=5),
    "segmentation, weighted": Segmentation(classes=5, weights=(1.0, 2.0, 3.0, 4.0, 5.0)),
    "segmentation, cross-entropy": Segmentation(classes=5, judged_by="cross_entropy"),
    "normals, cosine": Normals(judged_by="cosine"),
    "segmentation, void -1": Segmentation(classes=5, ignore=-1, metrics="official"),
    "normals": Normals(),
    "normals, official": Normals(coding="raw", metrics="official"),
    "depth": Depth(),
    "depth, official": Depth(metrics="official"),
    "heat map": HeatMap(),
    "heat map, official": HeatMap(metrics="official"),
}
ALL = {**DENSE, "classification": Classification(classes=10, smoothing=0.1), "binary": Classification(classes=2)}
dense = pytest.mark.parametrize("task", DENSE.values(), ids=DENSE)
every = pytest.mark.parametrize("task", ALL.values(), ids=ALL)


def unlabelled(task, *shape):
    """A target (B, H, W) or (B, C, H, W) without a single label."""
    if isinstance(task, Segmentation):
        return torch.full(shape, task.ignore)
    return torch.full((shape[0], task.channels, *shape[1:]), torch.nan if isinstance(task, HeatMap) else 0.0)


def labelled(task, *shape):
    """A random target with every pixel labelled."""
    generator = torch.Generator().manual_seed(1)
    if isinstance(task, Classification | Segmentation):
        return torch.randint(0, task.classes, shape, generator=generator)
    target = torch.rand(shape[0], task.channels, *shape[1:], generator=generator) + 0.1
    return target / target.norm(dim=1, keepdim=True) if isinstance(task, Normals) else target


def predicted(task, *shape):
    return torch.randn(shape[0], task.channels, *shape[1:], generator=torch.Generator().manual_seed(2))


@every
def test_is_a_frozen_value(task):
    assert task == type(task)(**{field.name: getattr(task, field.name) for field in fields(task) if field.init})
    assert hash(task) == hash(task)
    with pytest.raises(FrozenInstanceError):
        task.channels = 7


@every
def test_meter_reports_what_counts_and_nan_before_the_first_batch(task):
    numbers = task.meter().compute()
    names = list(task.higher_is_better)
    assert list(numbers)[: len(names)] == names
    assert all(isnan(number) for number in numbers.values())


@dense
def test_nothing_valid_gives_zero_loss_zero_gradient_and_nan_metrics(task):
    prediction = predicted(task, 2, 4, 5).requires_grad_()
    target = unlabelled(task, 2, 16, 20)
    loss = task.loss(prediction, target)
    loss.backward()
    assert loss.item() == 0
    assert not prediction.grad.any()
    meter = task.meter()
    meter.update(prediction, target)
    numbers = meter.compute()
    if task == DENSE["segmentation, void -1"]:
        assert numbers.pop("pixel_accuracy") == 0  # the official rule counts this void as wrong
    assert all(isnan(number) for number in numbers.values())


@dense
def test_an_image_without_labels_changes_nothing(task):
    prediction = predicted(task, 3, 4, 5).requires_grad_()
    target = labelled(task, 3, 16, 20)
    target[1] = unlabelled(task, 1, 16, 20)[0]
    loss = task.loss(prediction, target)
    loss.backward()
    torch.testing.assert_close(loss, task.loss(prediction[[0, 2]], target[[0, 2]]), rtol=1e-6, atol=0)
    assert not prediction.grad[1].any()
    assert prediction.grad[[0, 2]].isfinite().all()
    assert prediction.grad[[0, 2]].any()


@pytest.mark.parametrize("autocast", [False, True])
@every
def test_loss_is_float32_from_bfloat16_predictions(task, autocast):
    size = () if task.kind == "label" else (6, 7)
    prediction, target = predicted(task, 3, *size).bfloat16().requires_grad_(), labelled(task, 3, *size)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = task.loss(prediction, target)
    loss.backward()
    assert loss.dtype == torch.float32
    assert prediction.grad.dtype == torch.bfloat16
    assert loss == task.loss(prediction.detach().float(), target)


@every
def test_metrics_are_the_same_from_bfloat16_predictions_under_autocast(task):
    size = () if task.kind == "label" else (6, 7)
    prediction, target = predicted(task, 3, *size).bfloat16(), labelled(task, 3, *size)
    meter, plain = task.meter(), task.meter()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        meter.update(prediction, target)
    plain.update(prediction.float(), target)
    assert meter.compute() == plain.compute()


@every
def test_meters_leave_autograd_and_inference_mode_aside(task):
    """Batches from inside and outside of inference mode may be mixed."""
    size = () if task.kind == "label" else (6, 7)
    prediction, target = predicted(task, 3, *size), labelled(task, 3, *size)
    meter, plain = task.meter(), task.meter()
    meter.update(prediction.clone().requires_grad_(), target)
    with torch.inference_mode():
        meter.update(prediction, target)
    meter.update(prediction, target)
    for _ in range(3):
        plain.update(prediction, target)
    assert meter.compute() == plain.compute()


OFFICIAL = {name: task for name, task in DENSE.items() if task.metrics == "official"}
STANDARD = {name: task for name, task in DENSE.items() if task.metrics == "standard"}


@pytest.mark.parametrize("task", OFFICIAL.values(), ids=OFFICIAL)
def test_official_labels_come_down_and_predictions_go_up_by_nearest_neighbour(task):
    prediction, target = predicted(task, 2, 4, 5), labelled(task, 2, 12, 15)
    corner = target[..., ::3, ::3]
    assert task.loss(prediction, target) == task.loss(prediction, corner)
    repeated = prediction.repeat_interleave(3, -1).repeat_interleave(3, -2)
    meter, full = task.meter(), task.meter()
    meter.update(prediction, target)
    full.update(repeated, target)
    assert meter.compute() == full.compute()


@pytest.mark.parametrize("task", STANDARD.values(), ids=STANDARD)
def test_what_is_measured_is_what_is_resolved(task):
    """A meter finds a resolved prediction as good as the prediction itself, but for scores, which classes have not."""
    prediction, target = predicted(task, 2, 4, 5), labelled(task, 2, 16, 20)
    found = task.resolved(prediction, (16, 20))
    full = F.one_hot(found, task.channels).movedim(-1, 1).float() if isinstance(task, Segmentation) else found
    assert found.shape == target.shape
    assert found.dtype == target.dtype
    meter, whole = task.meter(), task.meter()
    meter.update(prediction, target)
    whole.update(full, target)
    found, expected = ({**values.compute(), "cross_entropy": 0} for values in (meter, whole))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("task", STANDARD.values(), ids=STANDARD)
def test_a_cell_lies_on_its_pixel(task):
    """What a cell says is said at its pixel and nowhere else, and learns what is there."""
    prediction = predicted(task, 1, 4, 5)
    at_cells = task.resolved(prediction, (16, 20))[..., ::4, ::4]
    torch.testing.assert_close(at_cells, task.resolved(prediction, (4, 5)))
    target = labelled(task, 1, 16, 20)
    if not isinstance(task, HeatMap):
        assert task.loss(prediction, target) == task.loss(prediction, target[..., ::4, ::4])


def test_a_label_is_resolved_to_probabilities():
    (probabilities,) = Classification(classes=3).resolved(torch.tensor([[0.0, 1.0, 2.0]]), (5, 5))
    e = math.e
    assert probabilities.tolist() == pytest.approx([1 / (1 + e + e * e), e / (1 + e + e * e), e * e / (1 + e + e * e)])


@every
def test_descending_the_loss_learns_the_labels(task):
    """Free predictions reach the labels, so the loss and the counted metrics agree on what is right."""
    size = () if task.kind == "label" else (6, 7)
    target = labelled(task, 3, *size)
    prediction = predicted(task, 3, *size).requires_grad_()
    optimizer = torch.optim.Adam([prediction], lr=0.05)
    before, after = task.meter(), task.meter()
    before.update(prediction, target)
    for _ in range(300):
        optimizer.zero_grad()
        task.loss(prediction, target).backward()
        optimizer.step()
    after.update(prediction, target)
    then, now = before.compute(), after.compute()
    for name, higher in task.higher_is_better.items():
        best = pytest.approx(1, abs=1e-5) if name == "cosine" else pytest.approx(100, abs=0)
        assert now[name] == best if higher else now[name] < 0.2 * then[name]


@pytest.mark.parametrize(
    ("kind", "settings", "told"),
    [
        (Depth, {"metrics": "own"}, "metrics=own is not allowed; use standard or official"),
        (Segmentation, {"classes": 2, "metrics": "own"}, "metrics=own is not allowed; use standard or official"),
        (Normals, {"coding": "rgb"}, "coding=rgb is not allowed; use centred or raw"),
    ],
)
def test_unknown_words_are_refused(kind, settings, told):
    with pytest.raises(ConfigurationError, match=told):
        kind(**settings)
