"""The command sees a user's own pictures: arrays, pictures, pages and tables of all of them, and names what it cannot read."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runner.export import export, load
from runner.predict.__main__ import main, parser
from runner.predict.job import Job
from runner.predict.spikes import spikes
from tests.export.runs import finished_run, without
from tests.export.test_network import net
from tests.models.test_spiking_model import Integrators


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("dense"), "adashare", "dataset.tasks=[segmentation,depth]").path


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("labels"), "ke", "model=mobilenet_v2").path


@pytest.fixture
def pictures(tmp_path):
    """Five pictures of their own sizes and kinds, two of one name, and one that is broken."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 4)).astype(np.uint8)
    found = {"one.png": "RGB", "two.png": "L", "x/same.png": "RGBA", "y/same.png": "P", "three.tif": "I;16"}
    for number, (name, mode) in enumerate(found.items()):
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = noise[: 40 - 7 * number, : 60 - number]
        grey = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
        (grey if mode == "I;16" else Image.fromarray(pixels).convert(mode)).save(tmp_path / "own" / name)
    (tmp_path / "own" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return tmp_path / "own"


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("batch", [1, 4])
def test_maps_of_every_picture_are_there_as_arrays_and_in_colours(dense, pictures, tmp_path, capsys, batch):
    assert main([str(dense), str(pictures), "--output", str(tmp_path / "seen"), "--batch", str(batch)]) == 3
    names = ("one", "two", "x-same", "y-same", "three")
    maps = [f"{name}/{task}.{end}" for name in names for task in ("depth", "segmentation") for end in ("npy", "png")]
    assert files(tmp_path / "seen") == sorted([*maps, "page1.png"])
    said = capsys.readouterr()
    assert f"{pictures / 'broken.jpg'} cannot be read" in said.err
    assert "5 of 6 pictures" in said.out
    for number, name in enumerate(names):
        size = (40 - 7 * number, 60 - number)
        arrays = {task: np.load(tmp_path / "seen" / name / f"{task}.npy") for task in ("depth", "segmentation")}
        assert {task: (array.shape, array.dtype.name) for task, array in arrays.items()} == {
            "depth": (size, "float32"),
            "segmentation": (size, "int64"),
        }
        for task in arrays:
            with Image.open(tmp_path / "seen" / name / f"{task}.png") as image:
                assert (image.size, image.mode) == (size[::-1], "RGB")


def test_a_batch_sees_what_its_pictures_alone_show(dense, pictures, tmp_path):
    for batch in ("1", "8"):
        assert main([str(dense), str(pictures), "--output", str(tmp_path / batch), "--batch", batch]) == 3
    for name in ("one", "two", "three"):
        alone, together = (np.load(tmp_path / batch / name / "depth.npy") for batch in ("1", "8"))
        np.testing.assert_allclose(alone, together, atol=1e-5)


def test_a_run_and_its_export_see_the_same(dense, pictures, tmp_path):
    export(dense, output=tmp_path / "net")
    for name, source in (("run", dense), ("export", tmp_path / "net")):
        assert main([str(source), str(pictures / "one.png"), "--output", str(tmp_path / name)]) == 0
    found = load(tmp_path / "net")
    expected = found.postprocess(found(found.preprocess(pictures / "one.png")))
    for task, values in expected.items():
        for name in ("run", "export"):
            np.testing.assert_array_equal(np.load(tmp_path / name / "one" / f"{task}.npy"), values)


@pytest.mark.slow
def test_classes_are_in_a_table_and_a_file(labels, pictures, tmp_path, capsys):
    arguments = [str(labels), "--predictor", "slim", str(pictures), "--output", str(tmp_path / "seen")]
    assert main(arguments) == 3
    assert files(tmp_path / "seen") == ["labels.csv", "page1.png"]
    with (tmp_path / "seen" / "labels.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 5 * 5  # pictures and classes
    mine = [line for line in lines if line["picture"] == str(pictures / "one.png")]
    assert [line["rank"] for line in mine] == list("12345")
    probabilities = [float(line["probability"]) for line in mine]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1 + 1e-5
    found = load_of(labels, tmp_path)
    seen = found.postprocess(found(found.preprocess(pictures / "one.png")))["scene"]
    assert mine[0]["class"] == found.class_names["scene"][int(seen.argmax())]
    assert probabilities[0] == pytest.approx(float(seen.max()), abs=1e-5)
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("one", "two", "x-same", "y-same", "three", mine[0]["class"]))


def load_of(run, folder):
    export(run, "slim", folder / "net")
    return load(folder / "net")


def test_many_pictures_fill_several_pages(tmp_path, monkeypatch):
    monkeypatch.setattr("runner.predict.job.ROWS", 2)
    paths = []
    for number in range(5):
        paths.append((tmp_path / f"{number}.png", str(number)))
        Image.new("L", (20 + number, 12), 40 * number).save(paths[-1][0])
    done = []
    job = Job(net(), tmp_path / "seen")
    job.run(paths, 3, pytest.fail, done.append)
    assert done == [3, 2]
    assert [path.name for path in sorted((tmp_path / "seen").glob("page*"))] == ["page1.png", "page2.png", "page3.png"]
    assert [line.labels["scene"][0].name for line in job.labelled] == [
        "0",
        "2",
        "2",
        "2",
        "2",
    ]  # black is evenly 0, 1, 2
    assert (tmp_path / "seen" / "labels.csv").exists()


def test_a_spiking_network_s_spikes_stand_beside_its_classes(tmp_path, pictures, capsys):
    run = finished_run(tmp_path, "tsslbp", "model.layers=4C5-P2-6").path
    assert (
        main([str(run), str(pictures / "one.png"), str(pictures / "two.png"), "--output", str(tmp_path / "seen")]) == 0
    )
    own = [f"{name}/spikes.{end}" for name in ("one", "two") for end in ("npz", "png")]
    assert files(tmp_path / "seen") == sorted([*own, "labels.csv", "page1.png"])
    export(run, None, tmp_path / "net")
    net = load(tmp_path / "net")
    for name in ("one", "two"):
        trace = net.model.trace(net.preprocess(pictures / f"{name}.png"))
        kept = np.load(tmp_path / "seen" / name / "spikes.npz")
        assert list(kept) == ["hidden.0", "hidden.1", "heads.scene"]
        for layer, trains in kept.items():
            assert np.array_equal(trains, trace[layer].spikes[:, 0].numpy().astype(bool))


@pytest.mark.parametrize(("winner", "settled"), [([1, 1, 1], 1), ([0, 1, 1], 2), ([1, 0, 1], 3)])
def test_an_answer_is_settled_in_the_step_from_which_on_it_stays(winner, settled):
    """Of 3 steps and 2 classes; a current of step t outweighs all before it."""
    psc = torch.tensor([[[10.0**step * (of == 0), 10.0**step * (of == 1)]] for step, of in enumerate(winner)])
    model = Integrators(1, 2, 2, steps=3)
    model.psc = lambda inputs: {"class": psc}
    (found,) = spikes(model, torch.zeros(1, 1, 1, 1))
    assert (found.settled, found.steps) == ({"class": settled}, 3)
    assert spikes(torch.nn.Linear(1, 1), torch.zeros(1, 1)) is None


def test_what_was_seen_is_on_disk_when_it_is_stopped(tmp_path):
    paths = [(tmp_path / f"{number}.png", str(number)) for number in range(4)]
    for path, _ in paths:
        Image.new("L", (20, 12)).save(path)

    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Job(net(), tmp_path / "seen").run(paths, 2, pytest.fail, stop)
    found = files(tmp_path / "seen")
    assert {"labels.csv", "page1.png", "0/depth.npy", "1/depth.npy"} <= set(found)
    assert not any(name.startswith(("2/", "3/")) for name in found)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{run}", "nothing.png"], 2, "nothing.png is no file"),
        (["{run}", "{own}", "--batch", "0"], 2, "--batch 0 is not allowed"),
        (["{run}", "{own}", "--predictor", "dense"], 2, "--predictor dense is not a network of this run"),
        (["{own}", "{own}"], 3, "is neither a finished run nor an exported network"),
        (["{older}", "{own}"], 3, "did not record how pictures become its inputs"),
    ],
)
def test_wrong_arguments_are_said_before_anything_is_written(dense, pictures, tmp_path, capsys, arguments, code, said):
    from runner.rundir.folder import RunFolder

    older = without(RunFolder(dense), tmp_path / "older", "preparation")
    places = {"run": dense, "own": pictures, "older": older.path}
    assert main([*(text.format(**places) for text in arguments), "--output", str(tmp_path / "seen")]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "seen").exists()


def test_a_tilde_that_the_shell_left_alone_is_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    options = parser().parse_args(["~/RUN", "x.png", "--output=~/seen"])
    assert (options.network, options.output) == (Path("/home/me/RUN"), Path("/home/me/seen"))


def test_an_export_has_one_predictor_alone(labels, pictures, tmp_path, capsys):
    load_of(labels, tmp_path)
    out = ["--output", str(tmp_path / "seen")]
    assert main([str(tmp_path / "net"), str(pictures / "one.png"), *out, "--predictor", "slim"]) == 0
    assert main([str(tmp_path / "net"), str(pictures / "one.png"), *out, "--predictor", "dense"]) == 2
    assert f"--predictor dense is not in {tmp_path / 'net'}, which is an export of slim" in capsys.readouterr().err


def test_predicting_needs_neither_hydra_nor_what_trains(dense, pictures, tmp_path):
    export(dense, output=tmp_path / "net")
    script = f"""
import sys
from pathlib import Path
from runner.predict.__main__ import main, parser
main([{str(tmp_path / "net")!r}, {str(pictures / "one.png")!r}, "--output", {str(tmp_path / "seen")!r}])
rooms = {{name.split(".")[1] for name in sys.modules if name.startswith("runner.")}}
print(sorted(rooms & {{"training", "methods", "datasets", "run"}}), {{"hydra", "omegaconf"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] set()"
