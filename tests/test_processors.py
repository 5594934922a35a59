"""What turns on the processor, on one without AVX-512 and bfloat16 units: any with AVX-512 can be made to act like it.

torch's own loops, oneDNN and the spiking kernels follow variables, which show it of the whole suite too. MKL's matrix products
follow MKL_ENABLE_INSTRUCTIONS on Intel alone (on AMD they use AVX2 as it is), NumPy's loops NPY_DISABLE_CPU_FEATURES.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from runner.spiking import native
from runner.spiking.native.forms import VARIABLE
from tests.spiking.conftest import FOUR_LANES

TESTS = Path(__file__).parent
AFFECTED = ("spiking/test_weights.py", "spiking/test_cpu.py", "layers/test_im2col.py", "layers/test_dilated.py")
HELD_BACK = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    VARIABLE: "avx2",
}

pytestmark = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512", reason="this processor is one without, or no x86"
)


def held_back(folder: Path) -> dict[str, str]:
    """An environment in which nothing of torch or of the compiled kernels uses AVX-512; those are built anew in `folder`."""
    return {**os.environ, **HELD_BACK, "XDG_CACHE_HOME": str(folder), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_affected_tests_pass_with_avx2(tmp_path):
    if native.library("spikes") is None:
        pytest.skip("no C++ compiler")
    files = (str(TESTS / file) for file in AFFECTED)
    chosen = ("-p", "no:cacheprovider", "-k", f"not avx512 and not neon and not {FOUR_LANES}", *files)
    command = [sys.executable, "-m", "pytest", *chosen]
    done = subprocess.run(command, env=held_back(tmp_path), cwd=TESTS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout  # as all of them are where the kernels could not be compiled
    libraries = {path.name.split("-")[0] for path in tmp_path.glob("runner/native/*.so")}
    assert libraries == {"spikes", "spread", "tsslbp"}


def test_units_for_bfloat16_can_be_taken_away(tmp_path):
    code = "import torch; from runner.device import has_bfloat16_units; print(has_bfloat16_units(torch.device('cpu')))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=held_back(tmp_path), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
