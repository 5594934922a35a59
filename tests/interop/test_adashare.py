"""Parity with the official code: outputs, losses, gradient norms and regularisers (golden values, float64)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.interop.official import adashare
from runner.policies import logits as of_logits
from tests.formula import official_state
from tests.rounding import same_draws

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES = ("hard_k8", "soft_k3")


class Case:
    def __init__(self, name: str, dtype: torch.dtype) -> None:
        self.values = np.load(GOLDEN / f"adashare_resnet18_{name}.npz")
        state = official_state(json.loads(str(self.values["names"])), dtype)
        classes = self.values["classes"].tolist()
        self.model = adashare({"mtl-net": state}, classes, self.values["layers"].tolist())
        for module in self.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        self.images = torch.from_numpy(self.values["img"]).to(dtype)
        self.tasks = len(classes)
        gates = torch.stack([torch.from_numpy(self.values[f"policy_{task}"][:, 0]) for task in range(self.tasks)])
        self.gates = gates.to(dtype)
        self.gates[:, : 8 - int(self.values["k"])] = 1

    def loss(self, predictions: dict[str, torch.Tensor]) -> torch.Tensor:
        return sum(
            ((p - torch.arange(p.numel(), dtype=p.dtype).sin().view_as(p)) ** 2).mean() for p in predictions.values()
        )


def assert_near(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    """Relative in the norm: the stored policies are float32 pairs that sum to 1 only within 6e-8."""
    assert (found - expected).norm() <= tolerance * expected.norm()


@same_draws
@pytest.mark.parametrize("name", CASES)
def test_outputs_losses_and_gradients_in_float64(name):
    case = Case(name, torch.float64)
    case.model.eval()
    with torch.no_grad():
        predictions = case.model(case.images, case.gates)
    for task in range(case.tasks):
        assert_near(predictions[f"task{task + 1}"], torch.from_numpy(case.values[f"out_eval_{task}"]), 1e-6)
    assert case.loss(predictions).item() == pytest.approx(float(case.values["loss_eval"]), rel=1e-6)
    case.model.train()
    predictions = case.model(case.images, case.gates)
    loss = case.loss(predictions)
    loss.backward()
    for task in range(case.tasks):
        assert_near(predictions[f"task{task + 1}"], torch.from_numpy(case.values[f"out_train_{task}"]), 1e-6)
    assert loss.item() == pytest.approx(float(case.values["loss_train"]), rel=1e-6)
    check_gradients(case)


def check_gradients(case: Case) -> None:
    from runner.interop.adashare import _rename

    parameters = dict(case.model.named_parameters())
    for official, expected in json.loads(str(case.values["grad_norms"])).items():
        grad = parameters[_rename(official, [2, 2, 2, 2])].grad
        found = 0.0 if grad is None else grad.norm().item()
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12), official


@pytest.mark.parametrize("name", CASES)
def test_outputs_in_float32(name):
    case = Case(name, torch.float32)
    case.model.eval()
    with torch.no_grad():
        predictions = case.model(case.images, case.gates)
    for task in range(case.tasks):
        assert_near(predictions[f"task{task + 1}"], torch.from_numpy(case.values[f"out_eval_{task}"]).float(), 1e-4)


@pytest.mark.parametrize("name", CASES)
def test_regularisers(name):
    values = np.load(GOLDEN / f"adashare_resnet18_{name}.npz")
    logits = torch.stack([torch.from_numpy(values[f"logits_{task}"]) for task in range(len(values["classes"]))])
    assert of_logits.sparsity_official(logits, int(values["k"])).item() == pytest.approx(
        float(values["sparsity"]), rel=1e-9
    )
    assert of_logits.sharing_official(logits).item() == pytest.approx(float(values["sharing"]), rel=1e-9)
