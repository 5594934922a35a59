"""The process's memory, and what a processor without bfloat16 units is told."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from runner import device
from runner.device import autocast, peak_memory, pick_device, warn_of_slow_precision
from runner.errors import ConfigurationError

CONFIGURATION = Path(__file__).parents[1] / "conf"
PROGRAM = """
import sys, torch
from runner.device import keep_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
if sys.argv[1] == "keep":
    keep_freed_memory()
before = resident()
torch.ones(50_000_000)
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the resident size is read from /proc, and glibc is set")
def test_freed_blocks_are_kept_when_asked():
    def left(mode):
        done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert left("keep") > 190e6
    assert left("free") < 50e6


def test_peak_memory_counts_what_was_freed():
    before = peak_memory(torch.device("cpu"))
    torch.ones(before // 4)
    assert peak_memory(torch.device("cpu")) >= before


@pytest.mark.parametrize(
    ("precision", "units", "cost", "told"),
    [
        ("bfloat16", False, 17.6, True),
        ("bfloat16", False, 0.9, False),
        ("bfloat16", True, 17.6, False),
        ("float32", False, 17.6, False),
    ],
)
def test_a_precision_that_is_slower_here_says_so_and_how_much(monkeypatch, caplog, precision, units, cost, told):
    monkeypatch.setattr(device, "has_bfloat16_units", lambda device: units)
    monkeypatch.setattr(device, "bfloat16_cost", lambda device: cost)
    warn_of_slow_precision(precision, torch.device("cpu"))
    said = [record.message for record in caplog.records]
    assert said == told * [
        "precision=bfloat16 is slower than float32 here: this processor has no units for it, a convolution and its "
        "gradients take 18 times as long; use precision=float32"
    ]


def test_no_recipe_chooses_bfloat16():
    files = [*CONFIGURATION.rglob("*.yaml")]
    assert len(files) > 50
    for file in files:
        assert not re.search(r"^\s*(precision|(model\.)?gradient_dtype):\s*bfloat16\b", file.read_text(), re.M), file


def test_unknown_words_are_refused_and_never_the_last_branch():
    with pytest.raises(ConfigurationError, match="device=gpu is not allowed; use auto or cpu or cuda"):
        pick_device("gpu")
    with pytest.raises(ConfigurationError, match="precision=float16 is not allowed; use float32 or tf32 or bfloat16"):
        autocast("float16", torch.device("cpu"))
