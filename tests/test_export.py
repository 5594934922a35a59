"""An exported network gives the same logits as in the run, and says what it is."""

import json

import pytest
import torch

from runner.export import export, load, main, restored
from runner.run import run
from runner.rundir.folder import RunFolder
from runner.training.signals import Stop
from tests.compose import small

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    config = small("ke", f"cache_dir={root / 'cache'}", "threads=1")
    folder = RunFolder(root / "run")
    folder.path.mkdir()
    run(config, folder, Stop())
    return folder


@pytest.mark.parametrize("predictor", ["dense", "slim"])
def test_loading_it_back_gives_the_same_logits(finished, tmp_path, predictor):
    export(finished.path, predictor, tmp_path / "out")
    loaded = load(tmp_path / "out")
    import yaml

    config = yaml.safe_load(finished.config.read_text())
    original = restored(finished, finished.summary(), config).networks()[predictor].eval()
    images = torch.randn(3, *finished.summary()["network"]["input_shape"])
    with torch.no_grad():
        found, expected = loaded(images), original(images)
    assert found.keys() == expected.keys() == {"scene"}
    assert torch.equal(found["scene"], expected["scene"])
    content = json.loads((tmp_path / "out" / "config.json").read_text())
    assert content["predictor"] == predictor
    assert content["data"] == finished.summary()["data"]
    assert predictor in (tmp_path / "out" / "README.md").read_text()


def test_the_slim_file_is_smaller(finished, tmp_path):
    for predictor in ("dense", "slim"):
        export(finished.path, predictor, tmp_path / predictor)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("slim", "dense")]
    assert sizes[0] < 0.4 * sizes[1]


def test_wrong_input_is_said(finished, tmp_path, capsys):
    assert main([str(tmp_path), "--predictor", "slim", "--output", str(tmp_path / "o")]) == 3
    assert "holds no finished run" in capsys.readouterr().err
    assert main([str(finished.path), "--predictor", "slims", "--output", str(tmp_path / "o")]) == 2
    assert "its networks are: dense, slim" in capsys.readouterr().err


def test_the_figures_of_a_run_are_there(finished):
    names = {path.name for path in finished.figures.iterdir()}
    assert {"losses.png", "metrics.png", "generations.png", "magnitudes.png", "predictions.png"} <= names
    assert set(finished.summary()["figures"]) == names
