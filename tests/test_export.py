"""An exported network gives the same predictions as in the run, and says what it is."""

import json
import subprocess
import sys

import pytest
import torch
import yaml

from runner.configuration.settings import Settings
from runner.export import export, load, main, restored
from runner.models.composed import Separate
from runner.run import run
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.training.signals import Stop
from tests.compose import small


def finished_run(root, *choices):
    folder = RunFolder(root / "run")
    folder.path.mkdir()
    run(small(*choices, f"cache_dir={root / 'cache'}", "threads=1"), folder, Stop())
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("ke"), "ke", "model=mobilenet_v2")


@pytest.fixture(scope="module")
def separate(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("single"), "single_task", "dataset.tasks=[segmentation,depth]")


def images(folder):
    return torch.randn(3, *folder.summary()["network"]["input_shape"])


def method_of(folder):
    return restored(folder, Settings.from_recorded(yaml.safe_load(folder.config.read_text()))).eval()


@pytest.mark.parametrize("predictor", ["dense", "slim"])
def test_loading_it_back_gives_the_same_logits(finished, tmp_path, predictor):
    export(finished.path, predictor, tmp_path / "out")
    loaded, inputs = load(tmp_path / "out"), images(finished)
    with torch.no_grad():
        found, expected = loaded(inputs), method_of(finished).predictors()[predictor].predict(inputs)
    assert found.keys() == expected.keys() == {"scene"}
    assert torch.equal(found["scene"], expected["scene"])
    content = json.loads((tmp_path / "out" / "config.json").read_text())
    assert content["predictor"] == predictor
    assert content["data"] == finished.summary()["data"]
    assert predictor in (tmp_path / "out" / "README.md").read_text()


def test_the_weights_are_those_of_the_best_checkpoint(finished, tmp_path):
    export(finished.path, "dense", tmp_path / "out")
    best = Checkpoints(finished.checkpoints, {}).load_best(torch.device("cpu"))["method"]
    state = load(tmp_path / "out").state_dict()
    assert all(torch.equal(value, best[f"network.{name}"]) for name, value in state.items())


def test_tasks_are_restored_as_what_they_are(separate):
    kinds = {name: task.kind for name, task in method_of(separate).tasks.items()}
    assert kinds == separate.summary()["network"]["kinds"] == {"segmentation": "dense", "depth": "dense"}


def test_networks_of_their_own_for_each_task(separate, tmp_path):
    export(separate.path, "trained", tmp_path / "out")
    loaded, inputs = load(tmp_path / "out"), images(separate)
    assert isinstance(loaded, Separate)
    with torch.no_grad():
        found, expected = loaded(inputs), method_of(separate).predictors()["trained"].predict(inputs)
    assert found.keys() == expected.keys() == {"segmentation", "depth"}
    assert all(torch.equal(found[task], expected[task]) for task in found)


def test_the_slim_file_is_smaller(finished, tmp_path):
    for predictor in ("dense", "slim"):
        export(finished.path, predictor, tmp_path / predictor)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("slim", "dense")]
    assert sizes[0] < 0.4 * sizes[1]


def test_loading_needs_neither_hydra_nor_what_trains(finished, tmp_path):
    export(finished.path, "slim", tmp_path / "out")
    script = f"""
import sys
from runner.export import load
load({str(tmp_path / "out")!r})
loaded = {{name.split(".")[1] for name in sys.modules if name.startswith("runner.")}}
print(sorted(loaded & {{"training", "methods", "datasets", "report", "run"}}), {{"hydra", "omegaconf"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] set()\n"


def test_wrong_input_is_said(finished, tmp_path, capsys):
    assert main([str(tmp_path), "--predictor", "slim", "--output", str(tmp_path / "o")]) == 3
    assert "holds no finished run" in capsys.readouterr().err
    for predictor in ("slims", "fit"):  # there is no such predictor; it is one, but no network
        assert main([str(finished.path), "--predictor", predictor, "--output", str(tmp_path / "o")]) == 2
        said = capsys.readouterr().err
        assert f"--predictor {predictor} is not a network of this run; its networks are: dense, slim" in said


def test_foreign_code_is_not_run_unasked(finished, tmp_path, capsys):
    copy = tmp_path / "run"
    copy.mkdir()
    config = yaml.safe_load(finished.config.read_text())
    config["model"]["_target_"], config["plugins"] = "foreign.Network", {"foreign": "1.0"}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    (copy / "summary.json").write_text(finished.summary_file.read_text())
    assert main([str(copy), "--predictor", "dense", "--output", str(tmp_path / "o")]) == 2
    assert "runs code of foreign; if you trust it, add --plugins foreign" in capsys.readouterr().err
    assert main([str(copy), "--predictor", "dense", "--output", str(tmp_path / "o"), "--plugins", "foreign"]) == 2
    assert "_target_=foreign.Network cannot be loaded" in capsys.readouterr().err


def test_the_figures_of_a_run_are_there(finished):
    assert set(finished.summary()["figures"]) == {path.name for path in finished.figures.iterdir()}


def test_a_retrained_policy_is_exported_with_what_it_executes(tmp_path):
    folder = finished_run(tmp_path, "adashare", "dataset.tasks=[segmentation,depth]")
    export(folder.path, "retrained", tmp_path / "out")
    loaded, inputs = load(tmp_path / "out"), images(folder)
    assert loaded.gates.tolist() in folder.summary()["policy"]["draws"]
    with torch.no_grad():
        found, expected = loaded(inputs), method_of(folder).predictors()["retrained"].predict(inputs)
    assert found.keys() == expected.keys() == {"segmentation", "depth"}
    assert all(torch.equal(found[task], expected[task]) for task in found)
    assert folder.summary()["costs"]["retrained"]["backbone_macs"] > 0
