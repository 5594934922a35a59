"""Options of Hydra that would not do what one expects, words without `=`, and flags of other tools are refused in words."""

import pytest

from runner.configuration.arguments import read
from runner.errors import ConfigurationError

RESUMES = "a run resumes by itself: type its command again and it goes on from its last checkpoint"
FLAGS = [
    (
        "-cn adashare",
        "--config-name adashare would start another experiment than that file's; choose what to run by experiment=",
    ),
    ("--config-dir conf --config-name config", "--config-name config would start another experiment than that file's"),
    (
        "--config-path mine",
        "--config-path mine would hide the runner's own options; add yours to them by --config-dir mine",
    ),
    ("--experimental-rerun a/config.pickle", "type the run's command again: it goes on, or says that it is finished"),
    ("-m seed=0,1 --cfg job", "--cfg job shows one configuration; leave out -m and give every key one value"),
    ("-m --info", "--multirun and --info ask for different things; give one of them"),
    ("-r --cfg job", "--run and --cfg ask for different things; give one of them"),
    ("--resolve seed=1", "--resolve says how --cfg shows a configuration; add --cfg job"),
    ("-p model", "--package says how --cfg shows a configuration; add --cfg job"),
    ("--cfg jobs", "--cfg/-c: invalid choice: 'jobs' (choose from 'job', 'hydra', 'all'); see --help"),
    ("--config-dir", "--config-dir/-cd: expected one argument; see --help"),
    ("--config-dir nowhere", "--config-dir nowhere is no folder; give one that holds method/, experiment/ or the like"),
    ("--multi", "cannot read '--multi'; did you mean --multirun?"),
    ("--lr 0.1", "cannot read '--lr'; settings are key=value without dashes, write method.learning_rate=0.1"),
    ("method=ke --epochs=3", "write method.epochs=3"),
    ("--epochs 3", "write method.retrain_steps=3"),
    (
        "--batch-size 8 --lr 1",
        "cannot read '--batch-size'; settings are key=value without dashes, write method.batch_size=8",
    ),
    ("--seed 1", "settings are key=value without dashes, write seed=1"),
    ("-gpu 0", "write device=... (auto or cpu or cuda)"),
    ("--resume", f"cannot read '--resume'; {RESUMES}"),
    ("--output-dir x", "hydra.run.dir=PATH is a run's folder, hydra.sweep.dir=PATH that of a sweep's runs"),
    ("--frobnicate", "cannot read '--frobnicate'; settings are key=value without dashes, see --help"),
]
BARE = [
    ("adashare", "cannot read 'adashare'; write method=adashare"),
    ("--help ke", "write method=ke"),
    ("--help method", "write method=..., see --help"),
    ("rooms seed=1", "write dataset=rooms"),
    ("surrogate", "write model.gradient=surrogate"),
    ("method ke", "cannot read 'method'; write method=ke"),
    ("nyu_2task", "write experiment=adashare/nyu_2task/adashare or experiment=adashare/nyu_2task/cross_stitch or"),
    ("cub100_small/ke", "write experiment=ke/cub100_small/ke"),
    ("train", "python -m runner trains without a word for it; write key=value"),
    ("eval", "a run measures its test split at its end"),
    ("export", "write python -m runner.export RUN"),
    ("seed 1", "cannot read 'seed'; write seed=1 without blanks"),
    ("seed = 1", "write seed=1 without blanks"),
    ("seed =1", "write seed=1 without blanks"),
    ("seed= 1", "cannot read '1'; write seed=1 without blanks"),
    ("seed:1", "write seed=1"),
    ("seed", "write seed=..., see --help"),
    ("dataset.root=my birds", "a path with blanks needs quotes: 'dataset.root=my birds'"),
    ("something", "settings are key=value, see --help"),
    ("=1", "settings are key=value, see --help"),
]


@pytest.mark.parametrize(("typed", "message"), FLAGS + BARE)
def test_words(typed, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    with pytest.raises(ConfigurationError) as refused:
        read(typed.split())
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_of_a_run_is_none_of_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    for typed, message in (
        ("--config-dir=run", "its config.yaml would not be read, as the runner's own has that name; make it a recipe"),
        ("run", "this is the folder of a run, which goes on when its command is typed again"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            read([typed])
    (tmp_path / "run" / "summary.json").touch()
    with pytest.raises(
        ConfigurationError, match="this is the folder of a run, which goes on when its command is typed again"
    ):
        read(["--config-dir=run"])


def test_what_hydra_has_and_is_of_use_is_handed_on():
    assert read(["--cfg", "hydra", "-p", "hydra.run"]).for_hydra() == ["--cfg", "hydra", "--package", "hydra.run"]
    assert read(["--info", "searchpath"]).for_hydra() == ["--info", "searchpath"]
    assert read(["--hydra-help"]).for_hydra() == ["--hydra-help"]
    assert read(["-sc", "install=bash"]).for_hydra() == ["--shell-completion", "install=bash"]


def test_a_value_that_is_quoted_and_empty_stands_before_other_words():
    assert list(read(["model.layers=''", "seed=1"]).overrides) == ["++model.layers=''", "seed=1"]
