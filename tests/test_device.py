"""The process's memory, and what a processor without bfloat16 units is told."""

import subprocess
import sys

import pytest
import torch

from runner import device
from runner.device import autocast, peak_memory, pick_device, warn_of_slow_precision
from runner.errors import ConfigurationError

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
    ("precision", "units", "told"), [("bfloat16", False, True), ("bfloat16", True, False), ("float32", False, False)]
)
def test_a_precision_that_is_slower_here_says_so(monkeypatch, caplog, precision, units, told):
    monkeypatch.setattr(device, "has_bfloat16_units", lambda device: units)
    warn_of_slow_precision(precision, torch.device("cpu"))
    assert ("precision=bfloat16 is slower than float32 here" in caplog.text) == told


def test_unknown_words_are_refused_and_never_the_last_branch():
    with pytest.raises(ConfigurationError, match="device=gpu is not allowed; use auto or cpu or cuda"):
        pick_device("gpu")
    with pytest.raises(ConfigurationError, match="precision=float16 is not allowed; use float32 or bfloat16"):
        autocast("float16", torch.device("cpu"))
