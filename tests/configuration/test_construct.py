"""Names become objects; a choice inside an option is handed on ready to be called."""

import functools

import pytest
from torch import nn

from runner.configuration.construct import construct, construct_model, locate
from runner.errors import ConfigurationError
from runner.models.resnet import ResNet

CODE = """
from torch import nn

class Head:
    def __init__(self, *, width, features=0):
        self.width, self.features = width, features

class Net(nn.Conv2d):
    def __init__(self, *, depth, head, tasks, input_shape):
        super().__init__(2, depth, 3)
        self.head, self.tasks, self.input_shape = head, tasks, input_shape

class Lazy(nn.Sequential):
    def __init__(self, *, tasks, input_shape):
        super().__init__(nn.LazyConv2d(4, 3))
"""
NODE = {
    "_target_": "built_here.Net",
    "_about_": "not handed on",
    "depth": 4,
    "head": {"_target_": "built_here.Head", "_rules_": {"width": "int"}, "width": 7},
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "built_here.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    return "built_here"


def test_a_choice_inside_an_option_is_a_partial_of_its_class_and_keys(package):
    network = construct(NODE, [package], tasks={"class": 3}, input_shape=(2, 8, 8))
    assert isinstance(network, nn.Conv2d)
    assert isinstance(network.head, functools.partial)
    assert network.head.keywords == {"width": 7}
    assert (network.head(features=5).width, network.head(features=5).features) == (7, 5)
    assert network.tasks == {"class": 3}


def test_a_model_lies_with_channels_last(package):
    network = construct_model(NODE, {"class": 3}, [2, 8, 8], [package])
    assert network.weight.stride() == (18, 1, 6, 2)  # of (4, 2, 3, 3), channels innermost
    assert network.input_shape == (2, 8, 8)


def test_a_model_without_sizes_is_refused(package):
    told = r"layer '0' has no size before the network has run; give it one, or let the network's constructor run it once on zeros"
    with pytest.raises(ConfigurationError, match=told):
        construct_model({"_target_": "built_here.Lazy"}, {"class": 3}, [2, 8, 8], [package])


def test_weights_that_are_a_file_are_not_the_networks_to_read(package):
    """Of another rule they are a setting of its own, as any other."""
    named = {**NODE, "weights": "resnet18.pth", "_rules_": {"weights": "null | file"}}
    assert construct_model(named, {"class": 3}, [2, 8, 8], [package]).tasks == {"class": 3}
    for rules in ({"weights": "null | path"}, {}):
        with pytest.raises(TypeError, match="unexpected keyword argument 'weights'"):
            construct_model({**named, "_rules_": rules}, {"class": 3}, [2, 8, 8], [package])


def test_only_what_is_admitted_is_imported(package):
    for node in (NODE, {"_target_": "runner.models.resnet.ResNet", "head": NODE["head"]}):
        with pytest.raises(
            ConfigurationError, match=r"_target_=built_here\.\w+ is not allowed; .*plugins=\[built_here\]"
        ):
            construct(node)
    with pytest.raises(ConfigurationError, match="is not allowed"):
        locate("os.system")
    with pytest.raises(ConfigurationError, match="is not allowed"):
        locate("runner_of_others.X")


def test_what_is_not_there_is_said():
    assert locate("runner.models.resnet.ResNet") is ResNet
    with pytest.raises(ConfigurationError, match=r"_target_=runner\.models\.resnet\.ResNets cannot be loaded: "):
        locate("runner.models.resnet.ResNets")
    with pytest.raises(ConfigurationError, match=r"_target_=runner\.nowhere\.X cannot be loaded: "):
        locate("runner.nowhere.X")


def test_a_package_that_raises_when_it_is_imported_is_named_with_what_it_raised(tmp_path, monkeypatch):
    (tmp_path / "raises_here.py").write_text('raise RuntimeError("no licence found")')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"_target_=raises_here.Net cannot be loaded: RuntimeError: no licence found"
    ):
        locate("raises_here.Net", ["raises_here"])
