"""Small sets in the three layouts in which NYUv2 is distributed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.datasets.layouts import nyu_files

from runner.datasets.nyu import NYU

CONFIGURATION = Path(__file__).resolve().parents[3] / "conf" / "dataset" / "nyu.yaml"

Make = Callable[..., NYU]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Build NYU from a root with the shipped configuration, changed by keywords."""

    def build(root: Path, **changes: object) -> NYU:
        content = yaml.safe_load(CONFIGURATION.read_text())
        keys = {key: value for key, value in content.items() if key[0] != "_"}
        extra = {"cache": tmp_path / "cache", "scale": 1.0, "tasks": ("segmentation", "normals", "depth")}
        return NYU(**{**keys, **extra, "root": str(root), **changes})

    return build


@pytest.fixture
def adashare_root(tmp_path: Path) -> Path:
    return nyu_files.adashare(tmp_path / "adashare")


@pytest.fixture
def labelled_root(tmp_path: Path) -> Path:
    return nyu_files.labelled(tmp_path / "labelled")


@pytest.fixture
def mtan_root(tmp_path: Path) -> Path:
    return nyu_files.mtan(tmp_path / "mtan")
