"""overrides.yaml: what was asked, and a command line that asks it again."""

import shlex
from types import SimpleNamespace

import yaml

from runner.configuration.again import overrides_file
from tests.compose import composed


def hydra(tmp_path, *overrides, config_dir=None):
    sources = [SimpleNamespace(path="/ours", provider="main")]
    sources += [SimpleNamespace(path=str(config_dir), provider="command-line")] if config_dir else []
    return SimpleNamespace(
        overrides=SimpleNamespace(task=list(overrides)),
        runtime=SimpleNamespace(cwd=str(tmp_path), config_sources=sources),
    )


def command(text):
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    return shlex.split("\n".join(comments[1:]))[3:]


def test_the_command_asks_the_same_again(tmp_path):
    typed = ["seed=7", "method=ke", "++dataset.root=\"a 'b'\\\n=c\"", "dataset=cub200", "++method.epochs=20"]
    text = overrides_file(hydra(tmp_path, *typed), tmp_path / "outputs" / "name", "name").decode()
    assert yaml.safe_load(text) == [override.lstrip("+") for override in typed] == command(text)
    assert composed(*command(text)) == composed("seed=7", "method=ke", "dataset=cub200", "method.epochs=20", typed[2])


def test_another_folder_and_options_of_others_are_part_of_it(tmp_path):
    text = overrides_file(hydra(tmp_path, "seed=7", config_dir="/own conf"), tmp_path / "run 1", "name").decode()
    assert command(text) == ["--config-dir", "/own conf", "seed=7", f"hydra.run.dir={tmp_path / 'run 1'}"]
    assert text.startswith(f"# in {tmp_path}:\n# python -m runner --config-dir '/own conf' seed=7 ")
