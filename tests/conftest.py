"""What several test files need."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("RUNNER_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden values and real data beside the checkout; absent for ordinary users."""
    if not SHARED.is_dir():
        reason = f"golden values and real data are not at {SHARED}"
        if os.environ.get("RUNNER_REQUIRE_SHARED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED
