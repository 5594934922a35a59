"""Globs of options, several values, lists with blanks, and what is wrong with an argument in words."""

import pytest

from runner.configuration import files
from runner.configuration.arguments import read
from runner.errors import ConfigurationError


def spelled(*typed):
    return read(typed).overrides


def told(*typed):
    with pytest.raises(ConfigurationError) as refused:
        read(typed)
    return str(refused.value)


SMALL = [recipe for recipe in files.options("experiment") if recipe.startswith("adashare/nyu_small/")]
FIRST = ",".join(sorted(SMALL, key=lambda recipe: recipe != "adashare/nyu_small/single_task"))


def test_a_glob_is_every_option_that_matches():
    assert spelled("-m", "experiment=adashare/nyu_small/*") == [f"experiment={FIRST}"]
    assert spelled("-m", "experiment=adashare/nyu_small/*,tsslbp/mnist") == [f"experiment={FIRST},tsslbp/mnist"]
    assert spelled("-m", "experiment=glob(adashare/nyu_small/*)") == [f"experiment={FIRST}"]
    assert spelled("-m", "model=snn_mn*") == ["model=snn_mnist"]
    rows = [
        "ann2snn/mnist",
        "hm2bp/mnist",
        "slayer/mnist",
        "stbp/mnist",
        "strsbp/mnist",
        "tsslbp/mnist",
    ]  # MNIST's table
    assert spelled("-m", "experiment=*/mnist") == ["experiment=" + ",".join(rows)]
    assert spelled("-m", "model.gradient=*") == ["model/gradient=hm2bp,no_intra,stbp,strsbp,surrogate,tssl"]
    assert spelled("-m", "experiment=*")[0].count(",") == len(files.options("experiment")) - 1
    assert spelled("experiment=tsslbp/mnist_r*") == ["experiment=tsslbp/mnist_released"]


def test_a_glob_that_matches_nothing_and_one_without_m_are_refused():
    recipes = len([path for path in (files.folder() / "experiment").rglob("*.yaml") if path.name[0] != "_"])
    models = sorted(files.options("model"))
    assert told("-m", "experiment=adashare/nyu_smal/*").startswith(
        f"experiment=adashare/nyu_smal/* matches none of the {recipes} there are; choose experiment=adashare/"
    )
    assert told("-m", "experiment=glob(adasha/*)").startswith(
        f"experiment=glob(adasha/*) matches none of the {recipes}"
    )
    assert told("-m", "model=snm*").startswith(
        f"model=snm* matches none of the {len(models)} there are; choose model={models[0]}|"
    )
    assert told("experiment=adashare/nyu_small/*") == (
        f"experiment=adashare/nyu_small/* are several; add -m to run each of {', '.join(SMALL)}"
    )


def test_a_sweep_begins_with_the_methods_that_others_are_compared_with():
    assert spelled("-m", "method=adashare,hard_sharing,single_task", "seed=0,1") == [
        "method=single_task,adashare,hard_sharing",
        "seed=0,1",
    ]
    assert spelled("-m", "method=hard_sharing,ke,adashare") == [
        "method=hard_sharing,ke,adashare"
    ]  # none of them is one
    assert spelled("-m", "method=ke,single_task") == ["method=ke,single_task"]  # nothing is compared with it


SEVERAL = [
    ("seed=0,1", "seed=0,1 are several values; add -m to run each"),
    ("seed=range(0,3)", "seed=range(0,3) are several values; add -m to run each"),
    ("method=ke,long", "method=ke,long are several; add -m to run each of ke, long"),
    ("method=[ke,long]", "method=[ke,long] is not allowed; write method=ke,long and -m to run each"),
    (
        "dataset.tasks=depth,normals",
        "dataset.tasks=depth,normals are several values; write 'dataset.tasks=[depth,normals]' for a list, or add -m to run each",
    ),
    (
        "dataset.resolution=240,320",
        "dataset.resolution=240,320 are several values; write 'dataset.resolution=[240,320]' for a list, or add -m to run each",
    ),
]


@pytest.mark.parametrize(("typed", "message"), SEVERAL)
def test_several_values_need_m(typed, message):
    assert told(typed) == message


def test_a_list_or_a_sweep_that_a_blank_has_split_is_whole_again():
    assert spelled("dataset.tasks=[segmentation,", "depth]") == ["++dataset.tasks=[segmentation,depth]"]
    assert spelled("dataset.tasks=[", "depth", "]", "seed=1") == ["++dataset.tasks=[depth]", "seed=1"]
    assert spelled("dataset.tasks=[segmentation, depth]") == ["++dataset.tasks=[segmentation, depth]"]
    assert spelled("method.loss_weights={depth:", "2}") == ["++method.loss_weights={depth:2}"]
    assert spelled("-m", "seed=0,", "1", "scale=0.5") == ["seed=0,1", "scale=0.5"]
    assert spelled("-m", "seed=0", ",1") == ["seed=0,1"]


UNREADABLE = [
    (
        ["dataset.tasks=[depth"],
        "cannot read 'dataset.tasks=[depth'; there is a ']' missing; in quotes a list may have blanks",
    ),
    (["dataset.tasks=depth]"], "there is a '[' missing"),
    (["model.layers=a=b"], "cannot read 'model.layers=a=b'; put the value in quotes twice: 'model.layers=\"...\"'"),
    (["selection=제일"], "cannot read 'selection=제일'; put the value in quotes twice: 'selection=\"...\"'"),
    (["method.loss_weights={depth=2}"], "it holds a map: 'method.loss_weights={depth=2: 1, ...}' in quotes"),
    (["한글=1"], "cannot read '한글=1': 한글 is no key; write key=value, see --help"),
    (["a b=1"], "cannot read 'a b=1': a b is no key"),
]


@pytest.mark.parametrize(("typed", "message"), UNREADABLE)
def test_what_cannot_be_read_comes_with_how_to_write_it(typed, message):
    assert message in told(*typed)


def test_a_sweep_over_options_puts_off_what_only_some_of_them_have():
    """Hydra composes its defaults before the jobs, and those may lack a choice that all of the jobs have."""
    typed = ("-m", "model=snn_mnist,snn_fashion", "model.gradient=tssl", "model.steps=3")
    assert spelled(*typed) == ["model=snn_mnist,snn_fashion", "model/gradient=choice(tssl)", "++model.steps=3"]
    assert spelled("model=snn_mnist", "model.gradient=tssl") == ["model=snn_mnist", "model/gradient=tssl"]


def test_the_folder_of_the_other_kind_of_command_is_refused():
    assert told("-m", "seed=0,1", "hydra.run.dir=x") == (
        "hydra.run.dir is the folder of one run; with -m write hydra.sweep.dir=PATH, which holds all"
    )
    assert told("hydra.sweep.dir=x") == (
        "hydra.sweep.dir holds the runs of a sweep; without -m write hydra.run.dir=PATH"
    )
    assert spelled("--cfg", "hydra", "hydra.sweep.dir=x") == ['hydra.sweep.dir="x"']
