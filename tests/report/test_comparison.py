"""Which runs are compared with which, what they are called, and what is said of the others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.asked import settings
from tests.report.finished import finished

from runner.errors import ConfigurationError
from runner.method import Series
from runner.report.baseline import all_filled_in, filled_in, require_comparable
from runner.report.comparison import beside, neighbours
from runner.report.finished import finished as read
from runner.rundir.folder import RunFolder

GENERATIONS = Series("generation")
PARTS = ("part1", "part2", "part3")


def of(method, values=None, **changes):
    return settings(choices={"method": method}, method=values or {}, **changes)


def compared(root, name="own"):
    found = finished(root / name, series=GENERATIONS, asked=of("course"))["series"]
    return found["levels"], found["left_out"]


def test_runs_of_equal_budget_are_levels_and_others_are_named_with_theirs(tmp_path):
    """Three stages of 80 samples here; one of them there."""
    finished(tmp_path / "equal", PARTS, asked=of("long"))
    finished(tmp_path / "short", PARTS[:1], asked=of("short"))
    levels, left_out = compared(tmp_path)
    assert levels == {"long": {"run": "equal", "metrics": {"animal/top1": 56, "distance/abs": 10 / 56}}}
    assert left_out == {"short": "budget 80 samples, here 240"}


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"scale": 0.5},
        {"selection": "test"},
        {"precision": "bfloat16"},
        {"dataset": {"side": 16}},
        {"model": {"width": 5}},
        {"choices": {"model": "other", "method": "long"}},
        {"choices": {"model/part": "other", "method": "long"}},
    ],
    ids=str,
)
def test_runs_on_other_data_or_of_another_model_or_seed_are_no_neighbours(tmp_path, changes):
    asked = settings(**{"choices": {"method": "long"}, "precision": "float32", **changes})
    if asked.precision == "float32":
        finished(tmp_path / "other", PARTS, asked=asked)
    else:  # as the toy cannot compute
        finished(tmp_path / "other", PARTS, asked=of("long"))
        config = tmp_path / "other/config.yaml"
        config.write_text(config.read_text().replace("float32", "bfloat16"))
    assert compared(tmp_path) == ({}, {})


def test_where_the_data_lie_makes_no_difference(tmp_path):
    finished(tmp_path / "moved", PARTS, asked=of("long", dataset={"root": "/elsewhere"}))
    assert list(compared(tmp_path)[0]) == ["long"]


def test_runs_of_one_method_are_told_apart_by_what_differs(tmp_path):
    for number, (rate, momentum) in enumerate([(0.1, 0.9), (0.2, 0.9), (0.2, 0.5)]):
        finished(tmp_path / f"run{number}", PARTS, asked=of("long", {"rate": rate, "momentum": momentum, "decay": 1}))
    finished(tmp_path / "single", PARTS, asked=of("other", {"rate": 5}))
    levels, _ = compared(tmp_path)
    assert {name: level["run"] for name, level in levels.items()} == {
        "long rate=0.1 momentum=0.9": "run0",
        "long rate=0.2 momentum=0.9": "run1",
        "long rate=0.2 momentum=0.5": "run2",
        "other": "single",
    }


def test_runs_of_this_run_s_own_method_are_told_apart_from_it(tmp_path):
    finished(tmp_path / "longer", PARTS, asked=of("course", {"epochs": 9}))
    finished(tmp_path / "drawn", PARTS, asked=settings(choices={"method/policy": "drawn"}, method={"epochs": 2}))
    assert list(compared(tmp_path)[0]) == ["course policy=drawn epochs=2", "course epochs=9"]


def test_runs_that_differ_in_much_or_in_nothing_are_called_by_their_folders(tmp_path):
    for number in (1, 2):
        finished(tmp_path / f"run{number}", PARTS, asked=of("long", dict.fromkeys("abcd", number)))
        finished(tmp_path / f"copy{number}", PARTS, asked=of("twin"))
    assert sorted(compared(tmp_path)[0]) == ["copy1", "copy2", "run1", "run2"]


def test_keys_that_came_later_tell_no_runs_apart_while_they_change_nothing(tmp_path):
    """As a run that was recorded before there were `dataset.later` and `method.later`."""
    new = {"later": 1, "_neutral_": {"later": 1}}
    finished(tmp_path / "before", PARTS, asked=of("course"))
    finished(tmp_path / "changed", PARTS, asked=of("course", {**new, "later": 2}, dataset=new))
    found = finished(tmp_path / "own", series=GENERATIONS, asked=of("course", new, dataset=new))["series"]
    assert sorted(found["levels"]) == ["course", "course later=2"]
    other = finished(tmp_path / "other", series=GENERATIONS, asked=of("other", dataset={**new, "later": 2}))["series"]
    assert other["levels"] == {}


def test_folders_that_are_no_runs_are_passed_over(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name, summary, config in [
        ("torn", "{", "a: 1"),
        ("running", '{"status": "running"}', "a: 1"),
        ("foreign", '{"status": "finished"}', "a: 1"),
        ("no yaml", '{"status": "finished"}', "{"),
        ("text", '{"status": "finished"}', "text"),
        ("list", "[]", "a: 1"),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(summary)
        (tmp_path / name / "config.yaml").write_text(config)
    assert compared(tmp_path) == ({}, {})


def older(folder: Path) -> None:
    """Make a run one that an older version has finished, which knew no budget and called no predictor the main one."""
    summary = json.loads((folder / "summary.json").read_text())
    for key in ("budget", "predictor", "baseline", "series", "published", "plugins"):
        summary.pop(key, None)
    summary["network"].pop("metrics")
    (folder / "summary.json").write_text(json.dumps({**summary, "reference": None, "repeats": {}}))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for new, old in {"published": "reference", "baseline_run": "reference_run"}.items():
        config[old] = config.pop(new)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_run_of_an_older_version_is_left_out(tmp_path):
    finished(tmp_path / "old", PARTS, asked=of("long"))
    older(tmp_path / "old")
    assert compared(tmp_path) == ({}, {"long": "budget not recorded, here 240 samples"})


# Relative performance.

NAMES = {"_baseline_": "alone"}


def test_a_run_is_compared_with_the_baseline_that_its_method_names(tmp_path):
    """top1 is 52 at the end here, 50 there: +4 %; of distance, abs 10 / 52 and delta 52: -3.85 % and +4 % of five metrics."""
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"), value=lambda predictor, moment: 50.0)
    finished(tmp_path / "other", PARTS[:1], asked=of("other"))
    summary = finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES))
    assert summary["baseline"] == {"method": "alone", "run": "alone", "differs": "", "others": [], "left_out": {}}
    found = summary["relative_performance"]
    assert found["run"] == "alone"
    assert found["predictors"]["whole"]["tasks"]["animal"] == pytest.approx(4)
    assert found["predictors"]["whole"]["tasks"]["distance"] == pytest.approx(100 * (1 - 50 / 52 + 0.04) / 5)


def test_a_method_that_names_no_baseline_is_compared_with_none(tmp_path):
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"))
    summary = finished(tmp_path / "own", PARTS[:1], asked=of("course"))
    assert (summary["baseline"], summary["relative_performance"]) == (None, None)


def test_a_baseline_of_another_budget_is_left_out(tmp_path):
    finished(tmp_path / "alone", PARTS, asked=of("alone"))
    summary = finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES))
    assert summary["relative_performance"] is None
    assert summary["baseline"] == {
        "method": "alone",
        "run": None,
        "differs": "",
        "others": [],
        "left_out": {"alone": "budget 240 samples, here 80"},
    }


def test_a_given_baseline_is_compared_whatever_its_budget_which_is_said(tmp_path):
    finished(tmp_path / "elsewhere/run", PARTS, asked=of("other", seed=1, model={"width": 5}))
    asked = of("course", baseline_run=str(tmp_path / "elsewhere/run"))
    summary = finished(tmp_path / "own", PARTS[:1], asked=asked)
    assert summary["relative_performance"]["run"] == "run"
    assert summary["baseline"] == {
        "method": None,
        "run": "run",
        "differs": "seed 1, here 0; model.width 5, here 3; budget 240 samples, here 80",
        "others": [],
        "left_out": {},
    }


def test_a_given_baseline_of_an_older_version_is_compared(tmp_path):
    finished(tmp_path / "old", PARTS, asked=of("other"))
    older(tmp_path / "old")
    summary = finished(tmp_path / "own", PARTS, asked=of("course", baseline_run=str(tmp_path / "old")))
    assert summary["relative_performance"]["predictors"]["whole"]["mean"] == pytest.approx(0)
    assert summary["baseline"]["differs"] == "budget not recorded, here 240 samples"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset": {"side": 16}}, "is of other data: dataset.side 16, here 8; give a run on the same data"),
        ({"choices": {"dataset": "photos"}}, "is of other data: dataset photos, here images; give a run on"),
        ({"scale": 0.5}, "is of other data: scale 0.5, here 1.0; give a run on the same data"),
        ({"tasks": ["animal"]}, r"has no task distance; give a run of all .* dataset.tasks=\[animal,distance\]"),
    ],
)
def test_a_given_baseline_of_other_data_is_refused(tmp_path, changes, said):
    finished(tmp_path / "other", asked=settings(**changes))
    with pytest.raises(ConfigurationError, match=said):
        finished(tmp_path / "own", asked=of("course", baseline_run=str(tmp_path / "other")))


def test_a_given_baseline_may_have_more_tasks(tmp_path):
    finished(tmp_path / "other", asked=of("other"))
    asked = of("course", tasks=["animal"], baseline_run=str(tmp_path / "other"))
    assert finished(tmp_path / "own", asked=asked)["baseline"]["run"] == "other"


@pytest.mark.parametrize("content", [None, '{"status": "running"}', "{"])
def test_what_is_given_has_to_be_a_finished_run(tmp_path, content):
    finished(tmp_path / "own", asked=of("course"))
    (tmp_path / "given").mkdir()
    if content:
        (tmp_path / "given/summary.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"baseline_run=.*given is not a finished run; give the folder of one"):
        require_comparable(str(tmp_path / "given"), RunFolder(tmp_path / "own"))


def test_before_the_training_only_a_given_baseline_is_looked_at(tmp_path):
    finished(tmp_path / "alone", asked=of("alone"))
    finished(tmp_path / "own", asked=of("course", NAMES))
    require_comparable(str(tmp_path / "alone"), RunFolder(tmp_path / "own"))
    require_comparable(None, RunFolder(tmp_path / "own"))


def test_neighbours_are_found_again_by_their_folders(tmp_path):
    for name in ("b", "a"):
        finished(tmp_path / name, PARTS, asked=of(name))
    own = read(tmp_path / "b")
    assert own
    found = neighbours(own, beside(own))
    assert [(near.name, near.run.folder.path, near.differs) for near in found] == [("a", tmp_path / "a", "")]


def test_a_baseline_at_zero_makes_the_relative_performance_undefined(tmp_path):
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"), value=lambda *_: 0.0)
    found = finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES))["relative_performance"]
    assert found["predictors"] == {}
    assert "animal/top1: found 0.0, needed a finite number other than 0" in found["undefined"]


def test_of_several_that_would_do_the_one_with_most_of_this_run_s_settings_is_taken_and_the_others_are_named(tmp_path):
    for name, rate, batch in (("a", 0.1, 9), ("b", 0.5, 4), ("c", 0.1, 4), ("d", 0.1, 4)):
        finished(tmp_path / name, PARTS[:1], asked=of("alone", {"rate": rate, "batch_size": batch, "own": name}))
    found = finished(tmp_path / "own", PARTS[:1], asked=of("course", {**NAMES, "rate": 0.1, "batch_size": 4}))
    assert found["relative_performance"]["run"] == "c"
    assert found["baseline"]["others"] == ["d", "a", "b"]


def test_runs_of_the_baseline_that_are_not_like_this_one_are_named_with_what_differs_nearest_first(tmp_path):
    one = {"choices": {"model": "other"}, "model": {"width": 5}}
    for name, changes in (
        ("a", {**one, "seed": 2}),
        ("b", {"seed": 1}),
        ("c", {"dataset": {"side": 16}}),
        ("d", {"choices": {"dataset": "photos"}}),
        ("e", {**one, "seed": 2, "scale": 0.5}),
    ):
        changes["choices"] = {**changes.get("choices", {}), "method": "alone"}
        finished(tmp_path / name, PARTS[:1], asked=settings(**changes))
    found = finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES))
    assert found["relative_performance"] is None
    assert list(found["baseline"]["left_out"].items()) == [
        ("b", "seed 1, here 0"),
        ("c", "dataset.side 16, here 8"),
        ("a", "model other, here net; seed 2, here 0; model.width 5, here 3"),
    ]  # d is of another data set, e differs in four settings


# Filled in when a run is read.


def own_run(path):
    found = read(path)
    assert found
    return found


def test_a_run_that_ended_before_its_baseline_is_filled_in_when_it_is_read_and_remembers_it(tmp_path):
    first = finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES))
    assert filled_in(own_run(tmp_path / "own")) == first
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"), value=lambda *_: 50.0)
    found = filled_in(own_run(tmp_path / "own"))
    assert found["relative_performance"]["predictors"]["whole"]["tasks"]["animal"] == pytest.approx(4)
    assert found == RunFolder(tmp_path / "own").summary()
    again = finished(tmp_path / "again/own", PARTS[:1], asked=of("course", NAMES))
    assert (again["name"], again["relative_performance"]) == ("own", None)
    (tmp_path / "alone").rename(tmp_path / "again/alone")
    at_its_end = finished(tmp_path / "again/later", PARTS[:1], asked=of("course", NAMES))
    assert found["relative_performance"] == at_its_end["relative_performance"]
    assert found["baseline"] == at_its_end["baseline"]


def test_what_has_been_found_is_not_written_again(tmp_path):
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"))
    finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES))
    (tmp_path / "alone/summary.json").unlink()
    before = (tmp_path / "own/summary.json").stat()
    assert filled_in(own_run(tmp_path / "own"))["relative_performance"]["run"] == "alone"
    assert filled_in(own_run(tmp_path / "own"), others=pytest.fail)["relative_performance"]
    assert (tmp_path / "own/summary.json").stat() == before


def test_where_nothing_can_be_written_it_is_shown_all_the_same(tmp_path, monkeypatch):
    finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES))
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"))

    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(RunFolder, "write_summary", refuse)
    assert filled_in(own_run(tmp_path / "own"))["relative_performance"]["run"] == "alone"


def test_an_undefined_value_there_leaves_an_undefined_gain(tmp_path):
    """As null in summary.json, of which no number can be taken."""
    undefined = lambda predictor, moment: float("nan") if predictor == "half" else 52.0  # noqa: E731
    finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES), value=undefined)
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"), value=lambda *_: 50.0)
    found = filled_in(own_run(tmp_path / "own"))["relative_performance"]["predictors"]
    assert found["half"]["mean"] is None
    assert found["whole"]["tasks"]["animal"] == pytest.approx(4)


def test_a_baseline_that_is_named_later_takes_the_place_of_the_one_before(tmp_path):
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"))
    finished(tmp_path / "elsewhere/other", PARTS[:1], asked=of("other"), value=lambda *_: 26.0)
    finished(tmp_path / "own", PARTS[:1], asked=of("course", NAMES))
    finished(tmp_path / "none", PARTS[:1], asked=of("free"))
    for name in ("own", "none"):
        found = filled_in(own_run(tmp_path / name), str(tmp_path / "elsewhere/other"))["relative_performance"]
        assert found["run"] == "other"
        assert found["predictors"]["whole"]["tasks"]["animal"] == pytest.approx(100)
    with pytest.raises(ConfigurationError, match="is not a finished run"):
        filled_in(own_run(tmp_path / "own"), str(tmp_path / "nowhere"))


def test_runs_of_an_older_version_and_of_methods_without_a_baseline_stay_as_they_are(tmp_path):
    finished(tmp_path / "old", PARTS[:1], asked=of("course", NAMES))
    older(tmp_path / "old")
    finished(tmp_path / "free", PARTS[:1], asked=of("free"))
    finished(tmp_path / "alone", PARTS[:1], asked=of("alone"))
    for name in ("old", "free", "alone"):
        run = own_run(tmp_path / name)
        assert filled_in(run) is run.summary


def test_several_runs_are_filled_in_together(tmp_path):
    for seed in (0, 1):
        finished(tmp_path / f"own{seed}", PARTS[:1], asked=of("course", NAMES, seed=seed))
    for seed in (0, 1):
        finished(tmp_path / f"alone{seed}", PARTS[:1], asked=of("alone", seed=seed))
    found = all_filled_in([own_run(tmp_path / name) for name in ("own0", "own1", "alone0")])
    assert [summary["relative_performance"] and summary["relative_performance"]["run"] for summary in found] == [
        "alone0",
        "alone1",
        None,
    ]


def test_reading_needs_no_torch():
    code = "import sys, runner.report.baseline; print([name for name in ('torch', 'hydra') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
