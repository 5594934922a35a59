"""What the columns hold, and in which order rows come."""

import json

import pytest

from runner.compare.comparison import compared
from runner.compare.runs import find
from runner.errors import ConfigurationError
from tests.compare.made import made


def table(folder, **asked):
    """Column -> texts."""
    found = compared(find([folder]).runs, **asked)
    return {column.key: list(column.texts) for column in found.columns}


def test_means_deviations_sizes_operations_time_by_hand(tmp_path):
    for seed, accuracy in enumerate((58.0, 61.0)):
        made(tmp_path / str(seed), accuracy, seed=seed, seconds=10.0 + 2 * seed)
    assert table(tmp_path) == {
        "animal/top1": ["59.5 ± 2.1"],  # sqrt(2 * 1.5 ** 2 / 1) = 2.12
        "distance/abs": ["0.5 ± 0"],
        "parameters": ["1.5"],
        "macs": ["2"],
        "samples": ["240"],
        "seconds": ["11 ± 1"],  # sqrt(2 * 1 ** 2 / 1) = 1.41
    }


def test_of_spiking_networks_what_they_fire_and_cost(tmp_path):
    energy = {"synaptic_operations": 157_400.0, "nanojoules": 1580.0}
    spikes = {"predictor": "whole", "accuracy_after_steps": [50.0] * 5, "firing_percent": 12.5, "energy": energy}
    metrics = {"test/whole/animal/top1": 58.0, "test/half/animal/top1": 57.0}
    made(tmp_path / "a", 0.0, metrics=metrics, chosen={"whole": {}, "half": {}}, spikes=spikes, seconds=1.5)
    made(tmp_path / "b", 60.0, method="other")
    shown = table(tmp_path)
    assert shown["steps"] == ["5", "", ""]
    assert shown["firing"] == ["12.5", "", ""]
    assert shown["synaptic_operations"] == ["0.1574", "", ""]
    assert shown["energy"] == ["1.58", "", ""]
    assert shown["step_seconds"] == ["0.025", "", ""]  # 240 samples in batches of 4 are 60 steps


def test_spikes_of_an_older_run_have_no_share(tmp_path):
    energy = {"synaptic_operations": 1000.0, "nanojoules": 1000.0}
    made(tmp_path / "a", 58.0, spikes={"predictor": "whole", "accuracy_after_steps": [50.0], "energy": energy})
    assert "firing" not in table(tmp_path)
    assert table(tmp_path)["energy"] == ["1"]


def test_an_undefined_value_is_left_out_of_the_mean_which_is_said(tmp_path):
    for seed, accuracy in enumerate((58.0, None, 61.0)):
        made(tmp_path / str(seed), accuracy, seed=seed)
    assert table(tmp_path)["animal/top1"] == ["59.5 ± 2.1 (of 2)"]


def test_gains_published_figures_and_several_networks(tmp_path):
    gains = {"run": "alone", "predictors": {"whole": {"tasks": {"animal": 11.6}, "mean": 5.8}}}
    metrics = {"test/whole/animal/top1": 58.0, "test/half/animal/top1": 57.0}
    more = {"metrics": metrics, "chosen": {"whole": {}, "half": {}}, "relative_performance": gains}
    made(
        tmp_path / "a",
        0.0,
        published={"animal/top1": 61.86, "animal/top1_std": 0.2},
        baseline={"method": "alone"},
        **more,
    )
    found = compared(find([tmp_path]).runs)
    assert [row.network for row in found.rows] == ["whole", "half"]
    assert found.networks
    shown = {column.key: list(column.texts) for column in found.columns}
    assert shown["animal/top1"] == ["58", "57"]
    assert shown["published/animal/top1"] == ["61.86 ± 0.2", "61.86 ± 0.2"]
    assert shown["delta"] == ["5.8", ""]
    assert shown["delta/animal"] == ["11.6", ""]
    assert shown["parameters"] == ["1.5", ""]
    assert "Δ over alone" in found.remarks


def test_a_network_that_was_measured_before_the_last_weights_began_counts_what_it_had_seen(tmp_path):
    """Its row is compared with none of those that were trained on more."""
    budget = {"samples": 240, "before": {"warmup": 80, "search": 120}, "batch_size": 4}
    chosen = {"whole": {"stage": "retrain1"}, "half": {"stage": "search03/weights"}, "third": {"stage": "warmup"}}
    metrics = {f"test/{name}/animal/top1": 50.0 for name in chosen}
    made(tmp_path / "a", 0.0, metrics=metrics, chosen=chosen, budget=budget)
    found = compared(find([tmp_path]).runs)
    shown = {column.key: list(column.texts) for column in found.columns}
    assert shown["samples"] == ["240", "200", "80"]
    assert len({row.like for row in found.rows}) == 3


def test_what_gains_could_not_be_measured_against_is_said(tmp_path):
    missing = {"method": "alone", "run": None, "differs": "", "others": [], "left_out": {}}
    for seed in (0, 1):
        made(tmp_path / str(seed), 50.0, seed=seed, baseline=missing, relative_performance=None)
    told = "no Δ for 2 of the runs: no finished method=alone of their data, model, seed and budget beside them"
    assert told in compared(find([tmp_path]).runs).remarks


def test_gains_are_filled_in_where_they_have_become_known(tmp_path):
    missing = {"method": "alone", "run": None, "differs": "", "others": [], "left_out": {}}
    made(tmp_path / "own", 52.0, error=0.5, baseline=missing, relative_performance=None)
    made(tmp_path / "alone", 50.0, error=0.5, method="alone")
    assert table(tmp_path)["delta"] == ["", "2"]  # 4 % of animal and nothing of distance
    assert json.loads((tmp_path / "own/summary.json").read_text())["relative_performance"]["run"] == "alone"


TWO_TASKS = {"tasks": {"animal": 2, "distance": 1}, "metrics": {"animal": {"top1": True}, "distance": {"abs": False}}}


def costs(backbone):
    return {"whole": {"parameters": 1_000, "macs": 2_000, "backbone_parameters": backbone, "backbone_macs": 3_000_000}}


def test_sizes_are_in_backbones_of_the_single_tasks(tmp_path):
    """Two tasks alone have 400 parameters without heads, 200 each; 250 are 1.25 of one. Of a run elsewhere nothing is known."""
    gains = {"predictors": {"whole": {"tasks": {}, "mean": 1.0}}}
    given = {"baseline": {"method": "alone"}, "network": TWO_TASKS}
    made(tmp_path / "a", 50.0, method="alone", network=TWO_TASKS, costs=costs(400))
    made(tmp_path / "b", 52.0, costs=costs(250), relative_performance={"run": "a", **gains}, **given)
    made(tmp_path / "c", 52.0, method="d", costs=costs(250), relative_performance={"run": "gone", **gains}, **given)
    shown = table(tmp_path)
    assert shown["backbones"] == ["2", "1.25", ""]
    assert shown["backbone_macs"] == ["3", "3", "3"]


def test_runs_without_heads_have_no_such_column(tmp_path):
    gains = {"run": "a", "predictors": {"whole": {"tasks": {}, "mean": 1.0}}}
    made(tmp_path / "a", 50.0, method="alone")
    made(tmp_path / "b", 52.0, relative_performance=gains, baseline={"method": "alone"})
    assert not {"backbones", "backbone_macs"} & table(tmp_path).keys()


def test_a_baseline_that_differs_and_runs_that_are_refused_are_named(tmp_path):
    differs = "model net, here mixed over the same blocks"
    gains = {"run": "a", "predictors": {"whole": {"tasks": {}, "mean": 1.0}}}
    made(tmp_path / "b", 52.0, relative_performance=gains, baseline={"method": "alone", "differs": differs})
    missing = {"method": "alone", "run": None, "differs": "", "others": [], "left_out": {}}
    made(tmp_path / "c", 50.0, seed=1, baseline=missing, relative_performance=None)
    made(tmp_path / "small", 50.0, seed=1, method="alone", samples=10)
    remarks = compared(find([tmp_path]).runs).remarks
    assert f"Δ over a run that differs: {differs}" in remarks
    assert "not compared: alone (budget 10 samples, here 240)" in remarks


def test_metrics_are_chosen_by_their_names_or_by_their_tasks(tmp_path):
    made(tmp_path / "a", 50.0)
    shown = list(table(tmp_path))
    assert next(iter(table(tmp_path, chosen=["animal/loss"]))) == "animal/loss"
    assert list(table(tmp_path, chosen=["abs", "animal"]))[:3] == ["distance/abs", "animal/top1", "animal/loss"]
    assert shown[:2] == ["animal/top1", "distance/abs"]
    message = r"--metric top2: no run measured it; use animal/top1, animal/loss, distance/abs"
    with pytest.raises(ConfigurationError, match=message):
        table(tmp_path, chosen=["top2"])


@pytest.mark.parametrize(
    ("column", "order"),
    [("animal/top1", "bac"), ("distance/abs", "cba"), ("seconds", "acb"), ("method", "abc"), (None, "abc")],
)
def test_rows_are_sorted_by_a_column_best_first_and_those_without_come_last(tmp_path, column, order):
    for name, accuracy, error, seconds in (("a", 60.0, 0.5, 1.0), ("b", 70.0, 0.4, 3.0), ("c", None, 0.3, 2.0)):
        made(tmp_path / name, accuracy, method=name, error=error, seconds=seconds)
    found = compared(find([tmp_path]).runs, sort=column)
    assert "".join(row.named["method"] for row in found.rows) == order


def test_a_column_that_is_not_there_is_refused(tmp_path):
    made(tmp_path / "a", 50.0)
    with pytest.raises(
        ConfigurationError, match=r"--sort second: there is no such column; use .* did you mean 'seconds'\?"
    ):
        table(tmp_path, sort="second")
