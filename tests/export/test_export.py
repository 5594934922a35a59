"""An exported network gives the same predictions as in the run, and says what it is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from runner.errors import ConfigurationError
from runner.export import export, load
from runner.export.__main__ import main
from runner.export.network import for_inference, stored
from runner.export.recorded import recorded_tasks
from runner.export.run import Run
from runner.layers.kinds import BatchNorm
from runner.models.compiled import Compiled
from runner.models.composed import Executed, Separate
from runner.models.deeplab import DeepLab
from runner.rundir.checkpoint import Checkpoints
from tests.export.runs import finished_run, images, without

FILES = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("ke"), "ke", "model=mobilenet_v2")


@pytest.fixture(scope="module")
def separate(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("single"), "single_task", "dataset.tasks=[segmentation,depth]")


@pytest.fixture(scope="module")
def adashare(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("adashare"), "adashare", "dataset.tasks=[segmentation,normals,depth]")


def predicted(folder, predictor, inputs):
    with torch.no_grad():
        return Run(folder.path).method.predictors()[predictor].predict(inputs)


@pytest.mark.parametrize("predictor", ["dense", "slim"])
def test_loading_it_back_gives_the_same_logits(finished, tmp_path, predictor):
    export(finished.path, predictor, tmp_path / "out")
    net, inputs = load(tmp_path / "out"), images(finished)
    found, expected = net(inputs), predicted(finished, predictor, inputs)
    assert found.keys() == expected.keys() == {"scene"}
    assert torch.equal(found["scene"], expected["scene"])
    content = json.loads((tmp_path / "out" / "config.json").read_text())
    assert content["predictor"] == predictor
    assert content["data"] == finished.summary()["data"]
    assert predictor in (tmp_path / "out" / "README.md").read_text()


def test_the_weights_are_those_of_the_best_checkpoint(finished, tmp_path):
    export(finished.path, "dense", tmp_path / "out")
    best = Checkpoints(finished.checkpoints, {}).load_best(torch.device("cpu"))["method"]
    state = load(tmp_path / "out").model.state_dict()
    assert all(torch.equal(value, best[f"network.{name}"]) for name, value in state.items())


def test_tasks_are_restored_as_what_they_are(separate, tmp_path):
    asked = {name: (task.kind, type(task).__name__) for name, task in tasks_of(separate).items()}
    assert asked == {"segmentation": ("dense", "Segmentation"), "depth": ("dense", "Depth")}
    older = without(separate, tmp_path / "older", "definitions")
    assert {name: task.kind for name, task in tasks_of(older).items()} == older.summary()["network"]["kinds"]
    assert Run(older.path).networks.keys() == Run(separate.path).networks.keys()


def tasks_of(folder):
    return recorded_tasks(folder.summary()["network"])


def test_networks_of_their_own_for_each_task(separate, tmp_path):
    export(separate.path, output=tmp_path / "out")
    net, inputs = load(tmp_path / "out"), images(separate)
    assert isinstance(net.model, Separate)
    found, expected = net(inputs), predicted(separate, "trained", inputs)
    assert found.keys() == expected.keys() == {"segmentation", "depth"}
    assert all(torch.equal(found[task], expected[task]) for task in found)


def test_an_ensemble_is_all_of_its_networks(tmp_path):
    run = finished_run(tmp_path, "ban", "model=mobilenet_v2")
    export(run.path, "ensemble", tmp_path / "out")
    net, inputs = load(tmp_path / "out"), images(run)
    assert len(net.model.members) == 2
    assert torch.equal(net(inputs)["scene"], predicted(run, "ensemble", inputs)["scene"])


def test_an_elastic_network_goes_with_what_it_chose(tmp_path):
    run = finished_run(tmp_path, "elastic", "method.retrain_steps=4", "method.search_evaluations=1")
    inputs = images(run)
    expected, summary = predicted(run, "retrained", inputs), run.summary()
    channels, costs = summary["channels"], summary["costs"]["retrained"]
    model = load(export(run.path, output=tmp_path / "taken").folder).model
    assert isinstance(model, Executed)
    assert model.gates.tolist() == channels["chosen"]
    assert sum(weight.numel() for weight in model.parameters()) == costs["parameters"]
    assert costs["backbone_parameters"] == channels["parameters_together"] < channels["whole"]["parameters"]
    with torch.no_grad():
        assert all(torch.equal(model(inputs)[task], prediction) for task, prediction in expected.items())
    with pytest.raises(
        ConfigurationError, match=r"statistics of their own.*the export without --onnx and --pt2 has all"
    ):
        export(run.path, output=tmp_path / "onnx", formats=["onnx"])


def test_a_network_whose_blocks_are_weighed_goes_with_their_weights(tmp_path):
    run = finished_run(
        tmp_path, "adashare", "method.policy=stochastic_depth", "method.num_draws=1", "method.retrain_steps=2"
    )
    inputs = images(run)
    expected = predicted(run, "retrained", inputs)
    model = load(export(run.path, output=tmp_path / "taken").folder).model
    assert isinstance(model, Executed)
    assert model.gates[0].tolist() == pytest.approx([1 - 0.5 * block / 8 for block in range(1, 9)])
    with torch.no_grad():
        assert all(torch.equal(model(inputs)[task], prediction) for task, prediction in expected.items())


def test_the_slim_file_is_smaller(finished, tmp_path):
    for predictor in ("dense", "slim"):
        export(finished.path, predictor, tmp_path / predictor)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("slim", "dense")]
    assert sizes[0] < 0.4 * sizes[1]


def test_loading_and_using_it_needs_neither_hydra_nor_what_trains_or_draws(adashare, tmp_path):
    export(adashare.path, output=tmp_path / "out")
    script = f"""
import sys
import numpy
from runner.export import load
net = load({str(tmp_path / "out")!r})
print(sorted(net.postprocess(net(net.preprocess(numpy.zeros((9, 7, 3)))))))
rooms = {{name.split(".")[1] for name in sys.modules if name.startswith("runner.")}}
print(sorted(rooms & {{"training", "methods", "datasets", "report", "run", "predict"}}))
print({{"hydra", "omegaconf", "matplotlib", "rich"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['depth', 'normals', 'segmentation']\n[]\nset()\n"


def test_a_policy_is_compiled_in(adashare, tmp_path):
    written = export(adashare.path, output=tmp_path / "out")
    net, inputs = load(tmp_path / "out"), images(adashare)
    assert written.predictor == "retrained"
    assert isinstance(net.model, Compiled)
    assert net.content["gates"] in adashare.summary()["policy"]["draws"]
    assert not any(isinstance(module, BatchNorm | nn.Dropout) for module in net.model.modules())
    found, expected = net(inputs), predicted(adashare, "retrained", inputs)
    assert found.keys() == expected.keys() == {"segmentation", "normals", "depth"}
    for task in found:
        torch.testing.assert_close(found[task], expected[task], rtol=0, atol=1e-5 * float(expected[task].abs().max()))


def test_what_a_compiled_policy_costs_is_beside_what_else_would_do_its_work(adashare, tmp_path, capsys):
    assert main([str(adashare.path), "--output", str(tmp_path / "out")]) == 0
    costs = json.loads((tmp_path / "out" / "config.json").read_text())["costs"]
    one, passes, single = costs["one_pass"], costs["pass_per_task"], costs["single_task_networks"]
    assert one["macs"] == adashare.summary()["costs"]["retrained"]["macs"] or one["macs"] < passes["macs"]
    assert one["macs"] < passes["macs"] <= single["macs"]
    assert one["parameters"] <= passes["parameters"] < single["parameters"]
    assert passes["parameters"] == adashare.summary()["costs"]["retrained"]["parameters"]
    assert one["bytes"] == (tmp_path / "out" / "model.safetensors").stat().st_size
    shown, readme = capsys.readouterr().out, (tmp_path / "out" / "README.md").read_text()
    for cost in costs.values():
        assert cost["seconds"] > 0
        for key in ("macs", "parameters", "bytes"):
            assert f"{cost[key]:,}" in shown
            assert f"{cost[key]:,}" in readme
    assert f"{one['folded_parameters']:,} parameters" in readme


def test_the_main_network_goes_to_the_runs_folder_unless_told_otherwise(finished, capsys):
    assert main([str(finished.path)]) == 0
    assert sorted(path.name for path in (finished.path / "export" / "dense").iterdir()) == FILES
    assert "other networks of this run, by --predictor: slim" in capsys.readouterr().out
    assert main([str(finished.path), "--list"]) == 0
    assert capsys.readouterr().out == "dense (main, exported by default)\nslim\n"


def test_a_tilde_that_the_shell_left_alone_is_the_home(finished, tmp_path, monkeypatch):
    """In quotes, and behind a `=`."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "RUN").symlink_to(finished.path)
    monkeypatch.setenv("HOME", str(home))
    assert main(["~/RUN", "--output=~/out"]) == 0
    assert (home / "out" / "config.json").is_file()


def test_readme_loads_the_weights_of_the_best_evaluation(finished, tmp_path, monkeypatch):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    (block,) = re.findall(r"```python\n([^`]*runner.export.run import Run.*?)```", readme, re.S)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "RUN").symlink_to(finished.path)
    monkeypatch.chdir(tmp_path)
    exec(block, found := {})
    assert found["name"] == "dense"
    inputs = images(finished)
    with torch.no_grad():
        assert torch.equal(found["network"](inputs)["scene"], predicted(finished, "dense", inputs)["scene"])
    own = Run(finished.path).method.state_dict()
    assert found["tensors"].keys() == own.keys()
    assert all(torch.equal(found["tensors"][name], value) for name, value in own.items())


def test_an_export_replaces_an_export_and_nothing_else(finished, tmp_path, capsys):
    out = tmp_path / "out"
    export(finished.path, "dense", out)
    export(finished.path, "slim", out)
    assert json.loads((out / "config.json").read_text())["predictor"] == "slim"
    (out / "thesis.tex").write_text("three years")
    assert main([str(finished.path), "--output", str(out)]) == 2
    assert f"--output {out} holds thesis.tex, which no export has written" in capsys.readouterr().err
    assert main([str(finished.path), "--output", str(out / "thesis.tex")]) == 2
    assert sorted(path.name for path in out.iterdir()) == [*FILES, "thesis.tex"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_leaves_the_export_that_was_there(finished, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    export(finished.path, "dense", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    calls, original = [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 3:  # the weights are written, the rest is not
            raise OSError(28, "No space left on device")
        original(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    for place in (out, tmp_path / "new" / "place"):
        calls.clear()
        assert main([str(finished.path), "--predictor", "slim", "--output", str(place)]) == 6
        assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_files_have_the_users_permissions(finished, tmp_path):
    before = os.umask(0o022)
    try:
        export(finished.path, "slim", tmp_path / "out")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o644}


def test_wrong_input_is_said(finished, tmp_path, capsys):
    assert main([str(tmp_path), "--output", str(tmp_path / "o")]) == 3
    assert "holds no finished run" in capsys.readouterr().err
    for predictor in ("slims", "fit"):  # there is no such predictor; it is one, but no network
        assert main([str(finished.path), "--predictor", predictor, "--output", str(tmp_path / "o")]) == 2
        said = capsys.readouterr().err
        assert f"--predictor {predictor} is not a network of this run; its networks are: dense, slim" in said
    assert not (tmp_path / "o").exists()


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


def test_where_its_weights_began_is_nobodys_business(finished, tmp_path):
    state = Run(finished.path).network()[1].state_dict()
    torch.save(state, tmp_path / "begin.pt")
    run = finished_run(tmp_path, "cross_entropy", "model=mobilenet_v2", f"model.weights={tmp_path / 'begin.pt'}")
    (tmp_path / "begin.pt").unlink()
    export(run.path, output=tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()
    inputs = images(run)
    assert torch.equal(load(tmp_path / "out")(inputs)["scene"], predicted(run, "trained", inputs)["scene"])


def test_its_readme_works_as_printed(adashare, tmp_path, monkeypatch):
    export(adashare.path, output=tmp_path / "out")
    from PIL import Image

    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(tmp_path / "picture.jpg")
    (code,) = [part.split("```")[0] for part in (tmp_path / "out" / "README.md").read_text().split("```python\n")[1:]]
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    assert {task: value.shape for task, value in names["found"].items()} == {
        "segmentation": (30, 50),
        "normals": (30, 50, 3),
        "depth": (30, 50),
    }


class Doubled(DeepLab):
    """Somebody's own network, which does something else with the same parts."""

    def forward(self, *arguments, **others):
        return {task: 2 * prediction for task, prediction in super().forward(*arguments, **others).items()}


def test_a_network_of_another_class_is_not_taken_for_ours():
    size = {"layers": (1, 1, 1, 1), "widths": (2, 2, 2, 2), "head_width": 2, "bottleneck": False, "dropout": 0.0}
    whole = Doubled(**size, statistics="per_task", tasks={"depth": 1}, input_shape=(3, 16, 16)).eval()
    executed = Executed(whole, torch.ones(1, 4))
    assert for_inference(executed) is executed
    assert stored(executed)[0] == {"form": "executed"}


def test_a_run_from_before_a_key_is_exported_as_it_was(tmp_path):
    """What it had is the key's neutral value."""
    run = finished_run(tmp_path, "hard_sharing", "dataset.tasks=[depth]", "model.statistics=shared")
    inputs = images(run)
    expected = predicted(run, "trained", inputs)
    config = yaml.safe_load(run.config.read_text())
    for key in ("statistics", "weights", "_neutral_"):
        config["model"].pop(key)
    run.config.write_text(yaml.safe_dump(config))
    export(run.path, None, tmp_path / "out")
    assert torch.equal(load(tmp_path / "out")(inputs)["depth"], expected["depth"])
