"""`scripts/faults` tries as many cases as was asked for."""

import os
import re
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "cases"), [((), 12 + 5), (("--full",), 99 + 50)])
def test_more_is_tried_where_more_is_asked_for(typed, cases):
    environment = {**os.environ, "PYTEST_ADDOPTS": "--collect-only"}
    environment.pop("RUNNER_FAULTS", None)
    command = [sys.executable, "-m", "tests.faults", "--only", "F7,F16", *typed]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    counts = re.findall(r"^tests/\S+: (\d+)$", done.stdout, re.MULTILINE)
    assert sum(map(int, counts)) == cases  # of values that are not finite, and of torn records
