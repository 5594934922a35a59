"""A run's identity is what was asked, and is pinned."""

import hashlib

from runner.configuration.identity import digest, run_name

CONFIG = {
    "seed": 3,
    "scale": 1.0,
    "precision": "float32",
    "device": "cpu",
    "threads": None,
    "cache_dir": None,
    "choices": {"method": "m", "dataset": "d", "model": "x y"},
    "dataset": {
        "_target_": "runner.d",
        "_about_": "data",
        "_rules_": {"root": "null | path", "size": "int"},
        "root": "/a",
        "size": 4,
    },
}


def changed(**values):
    return {**CONFIG, **values}


def test_the_name_is_pinned():
    assert run_name(CONFIG) == "m-d-x_y-seed3-" + digest(CONFIG)
    canonical = (
        '{"choices":{"dataset":"d","method":"m","model":"x y"},"dataset":{"_target_":"runner.d","size":4},'
        '"precision":"float32","scale":1.0,"seed":3}'
    )
    assert digest(CONFIG) == hashlib.sha256(canonical.encode()).hexdigest()[:8] == "7acb025f"


def test_what_changes_no_result_does_not_count():
    other = {**CONFIG["dataset"], "root": "/b", "_about_": "other words"}
    assert digest(changed(device="cuda", threads=4, cache_dir="/c", dataset=other)) == digest(CONFIG)


def test_what_changes_a_result_counts():
    different = [
        changed(seed=4),
        changed(scale=0.5),
        changed(precision="bfloat16"),
        changed(dataset={**CONFIG["dataset"], "size": 5}),
        changed(choices={"method": "n", "dataset": "d", "model": "x y"}),
    ]
    assert len({digest(config) for config in [CONFIG, *different]}) == 6
