"""What is to be as in another run becomes numbers before the identity, or is refused in words."""

import json

import pytest

from runner.configuration.identity import digest
from tests.compose import composed, refused

DRAWS = [[[1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]], [[0, 1, 0, 1, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 0]]]
TASKS = ["segmentation", "normals"]


def run(tmp_path, **changes):
    """A finished run whose second draw, of 3 and 1 skips, gave the result."""
    summary = {
        "status": "finished",
        "choices": {"method": "adashare", "method/policy": "gumbel"},
        "predictor": "retrained",
        "chosen": {"retrained": {"stage": "retrain1"}},
        "series": {"points": [{"stage": "retrain0"}, {"stage": "retrain1"}]},
        "policy": {"tasks": TASKS, "draws": DRAWS},
        **changes,
    }
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    return str(tmp_path)


def like(path, policy="random", tasks="segmentation,normals"):
    return [f"method.policy={policy}", f"method.policy.like={path}", f"dataset.tasks=[{tasks}]"]


def test_skips_are_those_of_the_draw_that_gave_the_result(tmp_path):
    path = run(tmp_path)
    assert composed(*like(path)).method["policy"]["skips"] == 4
    each = composed(*like(path, "random_per_task", tasks="normals,segmentation")).method["policy"]["skips"]
    assert each == {"segmentation": 3, "normals": 1}


def test_a_run_like_another_is_the_run_of_its_numbers(tmp_path):
    first, second = (composed(*like(run(tmp_path / name))) for name in ("a", "b"))
    typed = composed("method.policy=random", "method.policy.skips=4", "dataset.tasks=[segmentation,normals]")
    assert digest(first) == digest(second) == digest(typed)
    assert digest(typed) != digest(composed("method.policy=random", "dataset.tasks=[segmentation,normals]"))


def test_what_it_cannot_be_like_is_said(tmp_path):
    path = run(tmp_path / "a")
    said = refused(*like(tmp_path / "none"))
    assert said.startswith(
        f"method.policy.like={tmp_path}/none is no finished run; give the folder of one of method=adash"
    )
    said = refused(*like(run(tmp_path / "b", status="failed")))
    assert "is no finished run" in said
    said = refused(*like(path), "method.policy.skips=3")
    assert said == f"method.policy.like={path} and method.policy.skips=3 say the same; give one of them"
    said = refused(*like(path, tasks="normals,depth"))
    assert said.endswith(
        "is of the tasks segmentation, normals, this one of normals, depth; give a run of the same tasks"
    )
    said = refused(*like(path), "model=deeplab_resnet34")
    assert said.endswith("has 8 blocks, model=deeplab_resnet34 has 16; give a run of the same blocks")
    (tmp_path / "a" / "summary.json").write_text("{")
    assert refused(*like(path)).endswith("its summary.json is damaged; give another run")


@pytest.mark.parametrize(
    "changes",
    [
        {"choices": {"method": "ke"}, "policy": {}, "series": {}},
        {"policy": {"tasks": TASKS, "draws": []}},
        {"policy": {"tasks": TASKS, "draws": DRAWS[:1]}},
    ],
)
def test_a_run_without_drawn_policies_is_none_to_be_like(tmp_path, changes):
    said = refused(*like(run(tmp_path, **changes)))
    assert "has drawn no policies of blocks to skip (method=" in said
    assert said.endswith("give a run of method=adashare")
