"""Parity with the official code: masks, dense and slim logits, parameters (golden values, float64)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.errors import CheckpointError, ConfigurationError
from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract
from runner.interop.official import ke, ke_masks
from runner.models.cost import parameters
from tests.formula import official_state
from tests.networks import network
from tests.rounding import same_draws

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
ARCHITECTURES = ("resnet18", "densenet121")


class Case:
    """An official checkpoint and what the official code makes of it."""

    def __init__(self, arch, dtype):
        self.values = np.load(GOLDEN / f"ke_{arch}_kels50.npz")
        self.masks = json.loads(str(self.values["masks"]))
        self.classes = int(self.values["classes"])
        self.images = torch.from_numpy(self.values["x"]).to(dtype)
        self.state = official_state(json.loads(str(self.values["names"])), dtype)
        for name, (kept, _) in self.masks.items():
            self.state[f"{name}.mask"].view(-1)[:kept] = 1


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [pytest.param(torch.float64, 1e-12, marks=same_draws), (torch.float32, 1e-4)]
)
def test_dense_and_slim_networks(arch, dtype, tolerance):
    case = Case(arch, dtype)
    model = ke({"state_dict": case.state, "epoch": 200}, arch, case.classes).eval()
    masks = kels(model, case.images, float(case.values["rate"]))
    assert {name: [int(mask.sum()), mask.numel()] for name, mask in masks.items()} == {
        f"{name}.weight": sizes for name, sizes in case.masks.items()
    }
    slim = extract(model, masks, case.images)
    assert parameters(model) == int(case.values["dense_params"])
    assert parameters(slim) == int(case.values["slim_params"])
    with torch.no_grad():
        for network, name in ((model, "dense"), (slim, "slim")):
            expected = torch.from_numpy(case.values[name])
            error = (network(case.images).double() - expected).abs().max() / expected.abs().max()
            assert float(error) < tolerance


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_files_wrappers_and_states(arch, tmp_path):
    case = Case(arch, torch.float32)
    path = tmp_path / "official.pt"
    torch.save({"state_dict": case.state}, path)
    expected = ke(
        case.state, str(case.values["arch"]), case.classes
    ).state_dict()  # "Split_ResNet18", "Split_densenet121"
    for source in (path, str(path), {"state_dict": case.state}):
        found = ke(source, arch, case.classes).state_dict()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
        masks = ke_masks(source)
        assert masks.keys() == {f"{name}.weight" for name in case.masks}
        assert all(int(masks[f"{name}.weight"].sum()) == kept for name, (kept, _) in case.masks.items())
        assert all(mask.dtype == torch.bool and mask.shape == expected[name].shape for name, mask in masks.items())


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["resnet34", "resnet50", "resnet101", "densenet169", "googlenet"])
def test_every_official_architecture_loads_its_own_names(arch):
    state = ke_state(arch)
    model = ke(state, arch, 6)
    assert all(
        torch.equal(model.state_dict()[name], value) for name, value in state.items() if not name.endswith("mask")
    )
    assert ke_masks(state).keys() == {name.removesuffix("mask") + "weight" for name in state if name.endswith(".mask")}


def ke_state(arch):
    """A state such as the official code saves: every convolution and linear layer has a mask beside its weight."""
    state = dict(network(arch, "imagenet", 6).state_dict())
    masks = {
        name.removesuffix("weight") + "mask": (value > 0).float() for name, value in state.items() if value.dim() > 1
    }
    return {**state, **masks}


def test_a_state_without_masks_has_none():
    assert ke_masks({"fc.weight": torch.ones(2, 3)}) == {}


def test_mistakes_are_named():
    case = Case("resnet18", torch.float32)
    with pytest.raises(ConfigurationError, match=r"arch: 'alexnet' is not an official network; choose resnet18, "):
        ke(case.state, "alexnet", 102)
    with pytest.raises(CheckpointError, match=r"not an official checkpoint of resnet18 with 7 classes"):
        ke(case.state, "resnet18", 7)
    with pytest.raises(CheckpointError, match=r"not an official checkpoint of resnet34 with 102 classes"):
        ke(case.state, "resnet34", 102)
    with pytest.raises(CheckpointError, match=r"the mask of 'fc.weight' has shape \(2,\)"):
        ke_masks({"fc.weight": torch.ones(2, 3), "fc.mask": torch.ones(2)})
