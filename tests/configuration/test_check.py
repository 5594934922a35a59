"""What cannot run is refused before torch is imported, with the key, the value, what is allowed and the nearest spelling."""

import random
import subprocess
import sys

import pytest

from tests.compose import composed, refused

KEYS = ["seed", "scale", "selection", "device", "precision", "threads", "cache_dir", "evaluation_batch"]
KEYS += [
    f"method.{key}"
    for key in [
        "warmup_steps",
        "num_cycles",
        "retrain_steps",
        "num_draws",
        "policy.temperature",
        "curriculum_speed",
        "policy.sparsity",
        "policy.sharing_weight",
        "policy.learning_rate",
        "weight_decay",
        "policy_steps",
        "policy.initial",
        "batch_size",
        "policy.sampling",
        "policy_from",
    ]
]
KEYS += [
    "dataset.size",
    "dataset.train",
    "dataset.augment",
    "dataset.tasks",
    "model.layers",
    "model.widths",
    "model.dropout",
]
VALUES = [
    ("method", "adashare"), ("method", "hard_sharing"), ("method", "single_task"), ("method", "tsslbp"),
    ("dataset", "rooms"), ("dataset", "mnist"), ("dataset", "flowers102"), ("model", "deeplab_small"),
    ("model", "deeplab_resnet18"), ("model", "snn_fashion"), ("experiment", "adashare/nyu_2task/adashare"),
    ("method.policy.sampling", "straight_through"), ("method.policy.sparsity", "official"), ("precision", "bfloat16"),
    ("selection", "validation"), ("method.policy.initial", "random"), ("dataset.augment", "standard"),
    ("method.policy", "gumbel"),
]  # fmt: skip
GROUPS = ["method=adashare", "dataset=rooms", "model=deeplab_small"]


def mistype(word, seed):
    """A letter left out, doubled, or two swapped, as fingers do."""
    choose = random.Random(f"{word}{seed}")
    at = choose.randrange(1, len(word) - 1)
    kind = choose.randrange(3)
    wrong = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )[kind]
    return wrong if wrong != word else word + "x"


def typos():
    """What is typed, and the word that was meant."""
    cases = []
    for key in KEYS:
        prefix, _, name = key.rpartition(".")
        wrong = ".".join(filter(None, (prefix, mistype(name, 0))))
        cases.append((f"{wrong}=1", key))
    cases += [(f"{key}={mistype(value, 1)}", value) for key, value in VALUES]
    cases += [(mistype(override.partition("=")[0], 2) + "=x", override.partition("=")[0]) for override in GROUPS]
    cases += [(f"{key}={mistype(value, 3)}", value) for key, value in VALUES[:10]]
    return cases


def test_sixty_typos_are_refused_and_nearly_all_name_the_right_word():
    cases = typos()
    assert len(cases) >= 60
    named = [right in refused(override) for override, right in cases]
    missed = [case for case, hit in zip(cases, named, strict=True) if not hit]
    assert sum(named) >= 0.95 * len(cases), missed


WRONG_TYPES = [
    "seed=abc", "seed=1.5", "seed=null", "scale=big", "device=1", "threads=two", "evaluation_batch=x", "method.num_draws=1.5",
    "method.num_draws=many", "method.curriculum=3", "method.policy.temperature=hot", "method.retrain_steps=null",
    "dataset.size=large", "dataset.tasks=segmentation", "dataset.train=[1]", "model.layers=3", "model.widths=[a]",
    "model.bottleneck=maybe", "method.learning_rate=true",
]  # fmt: skip
WRONG_RANGES = [
    "seed=-1", "scale=0", "scale=1.5", "threads=0", "evaluation_batch=0", "method.num_draws=0", "method.num_cycles=-3",
    "method.warmup_steps=-1", "method.policy.temperature=0", "method.policy.temperature_decay=1.1",
    "method.policy.sparsity_weight=-0.1",
    "method.learning_rate=0", "method.decay_factor=0", "method.curriculum_speed=0", "dataset.size=2", "dataset.train=0",
    "model.dropout=1", "model.head_width=0", "checkpoint_minutes=-1", "method.loss_weights.depth=-2",
]  # fmt: skip
CONFLICTS = [
    ("method=adashare model=resnet18", "blocks"),
    ("method=tsslbp model=resnet18", "spiking"),
    ("method=ke model=deeplab_small", "label"),
    ("dataset=nmnist method=ke", "choose method="),
    ("dataset.tasks=[scene]", "deeplab_small cannot predict 'scene'"),
    ("dataset.tasks=[]", "at least one task"),
    ("dataset.tasks=[depth,depth]", "none twice"),
    ("dataset=nyu dataset.tasks=[edges]", "list of segmentation or normals or depth"),
    ("dataset=nyu method.loss_weights.edges=1", "names no task of dataset=nyu"),
    (
        "dataset=mnist method=hard_sharing",
        "model=deeplab_small cannot learn any task of dataset=mnist",
    ),
    ("+unknown=1", "unknown key 'unknown'"),
    ("++unknown=1", "unknown key 'unknown'"),
    ("+method.unknown=1", "unknown key 'method.unknown'"),
    ("~seed", "seed is missing"),
    ("method=[", "cannot read"),
    (
        "method=ke method.epochs=3 method.warmup_epochs=5",
        "method.warmup_epochs=5 is not allowed; use null or int in [0, epochs), where epochs=3",
    ),
    (
        "method=ke method.redraw_masks=true",
        "method.redraw_masks=true is not allowed; use false or true with split=wels, where split=kels",
    ),
    ("method=ke model.depth=20", "model.depth=20 is not allowed; use 18 or 34 or 50 or 101"),
    ("method=ke method.exact_fraction=false", "true or false with split=wels, where split=kels"),
    (
        "method=tsslbp dataset=mnist model=snn_mnist model.tau_m=a:2",
        "a map is written 'model.tau_m={a:2}', in quotes",
    ),
    ("model.layers={a:1}", "model.layers holds a list, 'model.layers=[VALUE, VALUE]' in quotes"),
    ("dataset.tasks=segmentation", "a list is written 'dataset.tasks=[segmentation]'"),
    ("dataset=nyu dataset.crop=65", "a list is written 'dataset.crop=[65,65]'"),
]


@pytest.mark.parametrize("override", WRONG_TYPES + WRONG_RANGES)
def test_wrong_types_and_ranges_name_key_and_what_is_allowed(override):
    key = override.partition("=")[0]
    told = refused(override)
    assert told.startswith(key.removesuffix(".depth"))
    assert "is not allowed; use " in told


@pytest.mark.parametrize(("overrides", "told"), CONFLICTS)
def test_impossible_combinations(overrides, told):
    assert told in refused(*overrides.split())


def test_what_a_model_must_provide_comes_with_models_that_do():
    assert "choose model=deeplab_resnet101|deeplab_resnet18" in refused("method=adashare", "model=resnet18")


def test_tasks_are_all_that_the_model_can_predict_or_those_that_the_data_set_names():
    assert composed("dataset=nyu").dataset["tasks"] == ["segmentation", "normals", "depth"]
    assert composed().dataset["tasks"] == ["segmentation", "normals", "depth"]  # but for edges and keypoints
    assert composed("dataset.tasks=[edges]").dataset["tasks"] == ["edges"]
    assert composed("method=ke").dataset["tasks"] == ["scene"]


def test_selection_is_the_methods_own_unless_given():
    assert composed().selection == "validation"
    assert composed("method=ke").selection == "last"
    assert composed("method=ke", "selection=test").selection == "test"


def test_an_entry_of_a_map_needs_no_plus():
    assert composed("method.loss_weights.depth=3").method["loss_weights"] == {"depth": 3.0}


@pytest.mark.parametrize(
    "arguments",
    [
        ["seed=x"],
        ["--help"],
        ["method=adashar"],
        ["method=ke", "model=snn_mnist"],
        ["method=ke", "dataset=nyu"],
        ["method.policy._target_=os.system"],
        ["model=snn_mnist", "model.gradient=surogate"],
    ],
)
def test_torch_is_not_imported_to_answer(arguments):
    program = (
        "import sys, runner.__main__ as m\n"
        f"sys.argv = ['runner', *{arguments!r}]\n"
        "try:\n    m.main()\nexcept SystemExit as ended:\n    print('code', ended.code)\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"code {0 if arguments == ['--help'] else 2}" in done.stdout
    assert "Traceback" not in done.stderr


def test_layers_are_read_before_there_is_a_network():
    assert refused("method=tsslbp", "model.layers=8C5-Q2") == (
        "model.layers=8C5-Q2 is not allowed; use layers of a spiking network or int >= 1; at character 5, 'Q2': expected a "
        "convolution xCk or xCkpN (x maps, k x k, padding N), a sum pooling Pk or a number of neurons, RN where they are "
        "recurrent, joined by '-'"
    )
    assert "no maps are left after a fully connected layer" in refused("method=tsslbp", "model.layers=8C5-20-P2")
    assert composed("method=tsslbp", "model.layers=20").model["layers"] == 20
    assert composed("method=tsslbp", "model.layers=").model["layers"] == ""


def test_steps_that_disagree_are_said_before_there_is_a_network():
    assert refused("method=tsslbp", "method.desired_train=[0,1]") == (
        "method.desired_train=[0,1] has 2 numbers, and the network runs for 5 steps; give one for each"
    )
    assert refused("method=tsslbp", "dataset=nmnist") == (
        "model.steps=5, but the events of dataset=nmnist come in dataset.steps=30; use model.steps=null or dataset.steps=5"
    )
    events = ("method=tsslbp", "dataset=nmnist", "model=snn_nmnist")
    assert "the network runs for 30 steps" in refused(*events, "method.desired_train=[0,1]")
    assert composed(*events, "dataset.steps=2", "method.desired_train=[0,1]").method["desired_train"] == [0, 1]
    assert refused("method=tsslbp", "model.steps=null").startswith("model.steps=null, but images do not say")
