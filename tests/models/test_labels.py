import pytest
import torch

from runner.configuration import files
from runner.errors import ConfigurationError
from runner.layers.kinds import BatchNorm
from runner.models import Parted
from runner.models.cost import parameters
from runner.models.resnet import ResNet
from tests.networks import NETWORKS, images, network

PUBLISHED = {  # with 1,000 classes, as torchvision lists them; VGG without the 2,752 biases of its convolutions
    "resnet18": 11689512,
    "resnet34": 21797672,
    "resnet50": 25557032,
    "resnet101": 44549160,
    "alexnet": 61100840,
    "vgg11_bn": 132868840 - 2752,
    "densenet121": 7978856,
    "densenet169": 14149480,
    "googlenet": 6624904,
    "mobilenet_v2": 3504872,
}
FEATURES = {
    "resnet18": 512,
    "alexnet": 512,
    "vgg11_bn": 512,
    "densenet121": 1024,
    "googlenet": 1024,
    "mobilenet_v2": 1280,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters(name):
    with torch.device("meta"):
        model = NETWORKS[name](stem="imagenet", tasks=1000, input_shape=(3, 224, 224))
    assert parameters(model) == PUBLISHED[name]


@pytest.mark.parametrize("stem", ["imagenet", "small"])
@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "alexnet", "vgg11_bn", "densenet121", "googlenet", "mobilenet_v2"]
)
def test_predictions(name, stem):
    side = 64 if (name, stem) == ("alexnet", "imagenet") else 32
    model = network(name, stem, {"scene": 5, "other": 3}, side).eval()
    with torch.no_grad():
        found = model(images(side=side))
    assert {task: tuple(logits.shape) for task, logits in found.items()} == {"scene": (2, 5), "other": (2, 3)}


@pytest.mark.parametrize(
    ("name", "stem", "sides"),
    [
        ("resnet18", "imagenet", (64, 2)),
        ("resnet18", "small", (64, 8)),
        ("densenet121", "imagenet", (64, 2)),
        ("densenet121", "small", (64, 8)),
        ("googlenet", "imagenet", (64, 2)),
        ("googlenet", "small", (64, 16)),
        ("mobilenet_v2", "imagenet", (64, 2)),
        ("mobilenet_v2", "small", (64, 8)),
        ("vgg11_bn", "small", (64, 1)),
    ],
)
def test_maps_before_the_last_pooling(name, stem, sides):
    model = network(name, stem, side=sides[0]).eval()
    seen = []
    model.avgpool.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[-1]))
    if name == "vgg11_bn":
        model.avgpool.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[-1]))
    with torch.no_grad():
        model(images(1, sides[0]))
    assert seen[-1] == sides[1]


def test_plain_logits():
    assert network("resnet18", tasks=4).eval()(images()).shape == (2, 4)


def test_first_weights():
    torch.manual_seed(0)
    model = ResNet(depth=18, stem="imagenet", tasks=1000, input_shape=(3, 64, 64))
    assert float(model.layer4[1].conv2.weight.detach().std()) == pytest.approx((2 / 4608) ** 0.5, rel=0.01)
    assert float(model.fc.weight.detach().std()) == pytest.approx((2 / 512) ** 0.5, rel=0.01)
    torch.manual_seed(0)
    again = ResNet(depth=18, stem="imagenet", tasks=1000, input_shape=(3, 64, 64))
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))
    googlenet = network("googlenet")
    assert float(googlenet.conv3.conv.weight.detach().abs().max()) <= 0.02
    assert {module.eps for module in googlenet.modules() if isinstance(module, BatchNorm)} == {1e-3}


@pytest.mark.parametrize(
    ("name", "stem", "side", "least"),
    [
        ("vgg11_bn", "small", 31, 32),
        ("alexnet", "small", 30, 31),
        ("alexnet", "imagenet", 62, 63),
        ("googlenet", "imagenet", 14, 15),
        ("googlenet", "small", 1, 2),
        ("densenet121", "imagenet", 28, 29),
        ("densenet121", "small", 7, 8),
    ],
)
def test_images_too_small_are_refused(name, stem, side, least):
    with pytest.raises(ConfigurationError, match=rf"images of {side} x {side} pixels to nothing; .* {least} x {least}"):
        network(name, stem, side=side)
    assert network(name, stem, side=least).eval()(images(1, least)).shape == (1, 7)


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "vgg11_bn", "densenet121", "googlenet", "mobilenet_v2"])
def test_backbone_and_heads(name):
    model = network(name, tasks={"scene": 5, "other": 3})
    assert isinstance(model, Parted)
    heads = model.head_parameters()
    assert sorted(tuple(parameter.shape) for parameter in heads) == sorted(
        shape for classes in (5, 3) for shape in ((classes, FEATURES[name]), (classes,))
    )
    backbone = model.backbone_parameters()
    assert len(backbone) + len(heads) == len(list(model.parameters()))
    assert {*backbone, *heads} == set(model.parameters())
    plain = network(name, tasks=5)  # one unnamed task has no head of its own
    assert plain.head_parameters() == []
    assert len(plain.backbone_parameters()) == len(list(plain.parameters()))


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "vgg11_bn", "densenet121", "googlenet", "mobilenet_v2"])
def test_unknown_stems_are_refused(name):
    with pytest.raises(ConfigurationError, match=r"model.stem=tiny is not allowed; use imagenet or small"):
        network(name, "tiny")


def test_unknown_depths_are_refused():
    with pytest.raises(ConfigurationError, match=r"model.depth: no network of 20 layers; choose 18, 34, 50, 101"):
        ResNet(depth=20, stem="small", tasks=2, input_shape=(3, 32, 32))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_configuration(name):
    content = files.options("model")[name]
    settings = {key: value for key, value in content.items() if not key.startswith("_")}
    expected = NETWORKS[name]
    target = getattr(expected, "func", expected)
    assert content["_target_"] == f"{target.__module__}.{target.__name__}"
    assert settings == {**getattr(expected, "keywords", {}), "stem": "imagenet", "head": "linear", "weights": None}
