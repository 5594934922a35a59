"""The survey of public networks says of each whether it has a slim form, or why not."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from torch import nn

SCRIPT = Path(__file__).parents[1] / "scripts" / "survey.py"


def survey():
    spec = importlib.util.spec_from_file_location("survey", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network(*between):
    return nn.Sequential(nn.Conv2d(3, 8, 7, 16), *between, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


def test_a_network_is_slim_or_it_is_said_why_not():
    tried = survey().tried
    assert tried(network, 0.5).startswith(
        "slim, 50 % of the parameters, "
    )  # (4 · 147 + 4 + 8 + 2) / (8 · 147 + 8 + 16 + 2)
    told = tried(lambda: network(nn.GroupNorm(1, 8)), 0.5)
    assert (
        told
        == "refused: norm '1' mixes all channels, as a norm over one group does; method.split=wels needs no whole channels"
    )


def test_without_networks_of_that_name_nothing_is_tried():
    done = subprocess.run([sys.executable, SCRIPT, "no such network"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install torchvision timm" in done.stderr
