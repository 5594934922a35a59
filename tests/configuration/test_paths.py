"""Paths are taken as they are typed: letters of any script, signs of Hydra's grammar, numbers; `~` is the home."""

import os

import pytest

from runner.configuration import composition, hints, paths, rules
from runner.configuration.arguments import read
from runner.errors import ConfigurationError
from tests.compose import composed, refused
from tests.configuration.own import write

ODD = [
    "2024", "1e3", "true", "2024-01-02", "my birds", "a=b", "a,b", "[a] (b)", "{a}", "{a: b}", "o'clock", 'say "so"', "#1", "a:b",
    "한글 폴더", "鳥", "émile", "птицы", "👍", "back\\slash", "end\\", "$HOME", "100%", "a;b", "*", "choice(a)", "..", "~x",
    "${b}", " blank ", "tab\tin it", "line\nin it", "'", '"',
]  # fmt: skip
READ = ("method=ke", "dataset=cub200")


@pytest.mark.parametrize("name", ODD)
def test_a_path_is_what_was_typed(name):
    root, cache, run = (place.format(name) for place in ("{}", "some/{}", "/data/{}/more"))
    settings = composed(*READ, f"dataset.root={root}", f"cache_dir={cache}", f"++baseline_run={run}")
    assert (settings.dataset["root"], settings.cache_dir, settings.baseline_run) == (root, cache, run)


@pytest.mark.parametrize("name", [name for name in ODD if name != "${b}"])
def test_so_are_hydras_own_folders(name):
    (own,) = read(["-r", f"hydra.run.dir=out/{name}"]).overrides
    swept = read(["-m", f"hydra.sweep.dir=all/{name}", f"hydra.sweep.subdir=each/{name}"]).overrides
    hydra = composition.composed([own, *swept]).hydra
    assert (hydra.run.dir, hydra.sweep.dir, hydra.sweep.subdir) == (f"out/{name}", f"all/{name}", f"each/{name}")


@pytest.mark.parametrize("name", ODD)
def test_in_a_sweep_each_of_several_is(name):
    """A comma separates paths there; Hydra hands every job what its sweep gives, once more in its own spelling."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    typed = read(["-m", *READ, f"dataset.root=first,{name},last"]).overrides
    jobs = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(typed), None)[0]
    roots = [composition.composed(job).dataset.root for job in jobs]
    assert roots == ["first", *(part.strip() for part in name.split(",")), "last"]


def test_a_comma_of_a_folder_that_exists_separates_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b").mkdir()
    assert read(["-m", "dataset.root=a,b"]).overrides == ['++dataset.root="a,b"']
    assert read(["-m", "dataset.root=a,c"]).overrides == ['++dataset.root="a","c"']
    assert read(["-m", 'dataset.root="a,c",d']).overrides == ['++dataset.root="a,c","d"']
    assert read(["-m", "dataset.root=choice(a,c)"]).overrides == ["++dataset.root=choice(a,c)"]
    assert read(["dataset.root=a,c"]).overrides == ['++dataset.root="a,c"']


def test_a_folder_that_exists_is_not_taken_for_an_interpolation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a ${seed} b").mkdir()
    assert composed(*READ, "dataset.root=a ${seed} b").dataset["root"] == "a ${seed} b"
    assert composed(*READ, "dataset.root=a ${seed}").dataset["root"] == "a 0"


def test_the_tilde_is_the_home_wherever_a_path_comes_from(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert composed(*READ, "dataset.root=~/no such birds").dataset["root"] == "/home/me/no such birds"
    assert composed(*READ, "dataset.root=~", "cache_dir=~/c").cache_dir == "/home/me/c"
    recipe = "# @package _global_\n# birds\ndefaults:\n  - override /method: ke\n  - override /dataset: cub200\n"
    own = write(tmp_path, experiment__birds=recipe + "dataset:\n  root: ~/birds\n")
    assert composed("experiment=birds", config_dir=own).dataset["root"] == "/home/me/birds"
    (override,) = read(["hydra.run.dir=~/a b"]).overrides
    assert override == 'hydra.run.dir="/home/me/a b"'
    assert read(['hydra.run.dir="~/a b"']).overrides == ['hydra.run.dir="/home/me/a b"']


def test_a_relative_path_is_relative_to_where_the_command_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert paths.resolved("data", str(tmp_path)) == "data"
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")  # as hydra.job.chdir does
    assert paths.resolved("data", str(tmp_path)) == str(tmp_path / "data")
    assert paths.resolved("/data", str(tmp_path)) == "/data"


def test_quotes_of_hydras_null_and_what_it_fills_in_stay_what_they_are():
    assert composed(*READ, "dataset.root='a b'").dataset["root"] == "a b"
    assert composed(*READ, 'dataset.root="a b"').dataset["root"] == "a b"
    assert composed("cache_dir=null").cache_dir is None
    assert composed(*READ, "seed=7", "dataset.root=s${seed}").dataset["root"] == "s7"
    assert composed(*READ, "dataset.root=${oc.env:PWD,x}/y").dataset["root"] == f"{os.environ.get('PWD', 'x')}/y"
    for typed in ("out/${now:%H}", "out/${seed}", "${hydra.runtime.cwd}/x"):
        assert read([f"hydra.run.dir={typed}"]).overrides == [f'hydra.run.dir="{typed}"']


def test_what_cannot_be_a_path_is_refused_in_words(tmp_path, monkeypatch):
    assert refused(*READ, "dataset.root=") == "dataset.root= is empty; give a path"
    assert refused(*READ, "dataset.root=null") == "dataset.root=null is not allowed; use a path"
    with pytest.raises(ConfigurationError, match=r"has .* in it, which Hydra takes for the name of a setting"):
        read(["hydra.run.dir=${b}"])
    (tmp_path / "${b}").mkdir()
    monkeypatch.chdir(tmp_path / "${b}")
    with pytest.raises(
        ConfigurationError, match="in its name, which Hydra takes for that of a setting; use another folder"
    ):
        read(["seed=1"])


def test_every_key_whose_rule_is_a_path_is_one():
    found = {key for key, alternatives in hints.rules().items() if any(map(rules.names_path, alternatives))}
    assert found >= {"dataset.root", "cache_dir", "baseline_run"}
    assert all(paths.names_path(key) for key in (*found, *paths.HYDRA))
    assert not paths.names_path("model.layers")
