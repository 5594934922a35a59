"""Weights from elsewhere: what fits is taken to its place, what does not is said, and what cannot be used is refused."""

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from runner.errors import ConfigurationError
from runner.interop.pretrained import Pretrained
from runner.models.deeplab import DeepLab
from runner.models.densenet import DenseNet
from runner.models.googlenet import GoogLeNet
from runner.models.mobilenet import MobileNetV2
from runner.models.resnet import ResNet
from runner.models.vgg import VGG
from tests import tiny
from tests.interop.published import NARROW, RESNET18, RESNET50, shapes, state
from tests.networks import images, with_statistics


@pytest.fixture
def given(tmp_path):
    """The weights in a file of this content."""

    def write(content, name="weights.pt"):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif name.endswith(".safetensors"):
            safetensors.torch.save_file(content, path)
        else:
            torch.save(content, path)
        return Pretrained(str(path), hashlib.sha256(path.read_bytes()).hexdigest())

    return write


def resnet(depth=18, tasks=("class",), classes=5, stem="imagenet", seed=0):
    torch.manual_seed(seed)
    return ResNet(depth=depth, stem=stem, tasks=dict.fromkeys(tasks, classes), input_shape=(3, 32, 32))


def deeplab(layers=(2, 2, 2, 2), bottleneck=False, tasks=("near", "far"), widths=(4, 4, 8, 8), statistics="per_task"):
    torch.manual_seed(0)
    sizes = {"layers": layers, "widths": widths, "head_width": 2, "bottleneck": bottleneck, "dropout": 0.0}
    return DeepLab(**sizes, statistics=statistics, tasks=dict.fromkeys(tasks, 3), input_shape=(3, 32, 32))


def own(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def refusal(weights, network):
    """What is said; the network stays as it was."""
    before = own(network)
    with pytest.raises(ConfigurationError) as caught:
        weights.put_into(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    return str(caught.value)


@pytest.mark.parametrize(("depth", "text", "count"), [(18, RESNET18, 20 + 20 * 4), (50, RESNET50, 53 + 53 * 4)])
def test_a_resnet_takes_every_published_tensor_but_a_classifier_of_other_classes(given, depth, text, count):
    """18: 20 convolutions, each with the four tensors of a batch norm; 50: 53."""
    network, weights = resnet(depth), given(published := state(text))
    weights.put_into(network)
    for name in published.keys() - {"fc.weight", "fc.bias"}:
        assert torch.equal(network.state_dict()[name], published[name]), name
    report = weights.report()
    assert report["loaded"] == count
    assert report["fresh"] == ["fc.class.bias", "fc.class.weight"]
    assert report["unused"] == ["fc.bias", "fc.weight"]
    assert report["sha256"] == hashlib.sha256(Path(report["file"]).read_bytes()).hexdigest()


def test_a_network_renamed_as_published_predicts_the_same(given):
    """The classifier of as many classes is that of the one task."""
    other, network = with_statistics(resnet(seed=1)).eval(), resnet().eval()
    weights = given({name.replace("fc.class.", "fc."): value for name, value in other.state_dict().items()})
    assert not torch.equal(network(images())["class"], other(images())["class"])
    weights.put_into(network)
    assert torch.equal(network(images())["class"], other(images())["class"])
    assert (weights.report()["fresh"], weights.report()["unused"]) == ([], [])


def test_the_published_classifier_is_none_of_several_tasks(given):
    weights = given(state(RESNET18))
    weights.put_into(resnet(tasks=("first", "second"), classes=1000))
    assert weights.report()["unused"] == ["fc.bias", "fc.weight"]


PLACES18 = {  # of deeplab's four stages of two blocks
    "stem.0.weight": "conv1.weight",
    "stem.1.running_var": "bn1.running_var",
    "blocks.0.body.0.weight": "layer1.0.conv1.weight",
    "blocks.1.body.4.bias": "layer1.1.bn2.bias",
    "blocks.2.shortcut.0.weight": "layer2.0.downsample.0.weight",
    "blocks.2.shortcut.1.running_mean": "layer2.0.downsample.1.running_mean",
    "blocks.5.body.3.weight": "layer3.1.conv2.weight",
    "blocks.6.shortcut.1.num_batches_tracked": "layer4.0.downsample.1.num_batches_tracked",
    "blocks.7.body.1.weight": "layer4.1.bn1.weight",
}
PLACES50 = {  # of stages of three, four, six and three
    "blocks.0.shortcut.0.weight": "layer1.0.downsample.0.weight",
    "blocks.0.body.6.weight": "layer1.0.conv3.weight",
    "blocks.2.body.7.running_mean": "layer1.2.bn3.running_mean",
    "blocks.3.body.0.weight": "layer2.0.conv1.weight",
    "blocks.12.body.3.weight": "layer3.5.conv2.weight",
    "blocks.13.shortcut.1.bias": "layer4.0.downsample.1.bias",
    "blocks.15.body.4.weight": "layer4.2.bn2.weight",
}


@pytest.mark.parametrize(
    ("network", "content", "places"),
    [
        (deeplab(), state(RESNET18, NARROW), PLACES18),
        (deeplab(statistics="shared"), state(RESNET18, NARROW), PLACES18),
    ],
    ids=["per task", "shared"],
)
def test_deeplab_takes_a_published_resnet_into_stem_and_blocks(given, network, content, places):
    weights = given(content)
    weights.put_into(network)
    for ours, theirs in places.items():
        found = network.state_dict()[ours]
        assert torch.equal(found, content[theirs].expand_as(found)), ours  # statistics: the row is every task's
    report = weights.report()
    assert report["loaded"] == 100
    assert all(name.startswith("heads.") for name in report["fresh"])
    assert report["unused"] == ["fc.bias", "fc.weight"]


def test_deeplab_takes_published_bottlenecks(given):
    network = deeplab((3, 4, 6, 3), bottleneck=True, widths=(64, 128, 256, 512), tasks=("near",))
    weights = given(content := state(RESNET50))
    weights.put_into(network)
    for ours, theirs in PLACES50.items():
        found = network.state_dict()[ours]
        assert torch.equal(found, content[theirs].expand_as(found)), ours
    assert weights.report()["loaded"] == 265
    assert {name.partition(".")[0] for name in weights.report()["fresh"]} == {"heads"}


def test_blocks_that_only_one_of_the_two_has_stay_fresh_or_are_not_used(given):
    """A third block of the file's first stage must not become the first of the network's second."""
    published = state(RESNET18, NARROW)
    deeper = {**published, "layer1.2.conv1.weight": torch.zeros(4, 4, 3, 3)}
    network, weights = deeplab(), given(deeper)
    weights.put_into(network)
    assert torch.equal(network.blocks[2].body[0].weight, published["layer2.0.conv1.weight"])
    assert "layer1.2.conv1.weight" in weights.report()["unused"]
    network, weights = deeplab((3, 2, 2, 2)), given(published)
    weights.put_into(network)
    assert torch.equal(network.blocks[3].body[0].weight, published["layer2.0.conv1.weight"])
    assert len([name for name in weights.report()["fresh"] if name.startswith("blocks.2.")]) == 10


RULES = [  # theirs -> ours
    (
        lambda: DenseNet(depth=121, stem="imagenet", tasks={"class": 3}, input_shape=(3, 32, 32)),
        {
            "features.conv0.weight": "features.conv0.weight",
            "features.denseblock1.denselayer1.norm.1.weight": "features.denseblock1.denselayer1.norm1.weight",
            "features.denseblock4.denselayer16.conv.2.weight": "features.denseblock4.denselayer16.conv2.weight",
            "features.denseblock2.denselayer3.norm2.bias": "features.denseblock2.denselayer3.norm2.bias",
            "features.transition3.conv.weight": "features.transition3.conv.weight",
            "classifier.weight": "classifier.class.weight",
        },
    ),
    (
        lambda: MobileNetV2(stem="imagenet", tasks={"class": 3}, input_shape=(3, 32, 32)),
        {
            "features.0.0.weight": "features.0.weight",
            "features.0.1.running_mean": "features.1.running_mean",
            "features.1.conv.0.0.weight": "features.3.conv.0.weight",  # depthwise: the first block does not widen
            "features.1.conv.1.weight": "features.3.conv.3.weight",
            "features.1.conv.2.bias": "features.3.conv.4.bias",
            "features.2.conv.0.0.weight": "features.4.conv.0.weight",
            "features.2.conv.1.0.weight": "features.4.conv.3.weight",
            "features.2.conv.1.1.weight": "features.4.conv.4.weight",
            "features.2.conv.2.weight": "features.4.conv.6.weight",
            "features.17.conv.3.running_var": "features.19.conv.7.running_var",
            "features.18.0.weight": "features.20.weight",
            "features.18.1.bias": "features.21.bias",
            "classifier.1.bias": "classifier.1.class.bias",
        },
    ),
    (
        lambda: GoogLeNet(stem="imagenet", tasks={"class": 3}, input_shape=(3, 32, 32)),
        {
            "conv1.conv.weight": "conv1.conv.weight",
            "inception3a.branch2.1.bn.running_var": "inception3a.branch2.1.bn.running_var",
            "inception5b.branch4.1.conv.weight": "inception5b.branch4.1.conv.weight",
            "fc.weight": "fc.class.weight",
        },
    ),
    (
        lambda: VGG(stem="small", tasks={"class": 3}, input_shape=(3, 32, 32)),
        {
            "features.0.weight": "features.0.weight",
            "features.26.running_mean": "features.26.running_mean",
            "classifier.3.bias": "classifier.3.bias",
            "classifier.6.weight": "classifier.6.class.weight",
        },
    ),
]


@pytest.mark.parametrize(("make", "places"), RULES, ids=["densenet", "mobilenet", "googlenet", "vgg"])
def test_published_names_of_other_networks_have_their_places(given, make, places):
    network = make()
    content = {theirs: torch.rand_like(network.state_dict()[ours]) for theirs, ours in places.items()}
    weights = given(content)
    weights.put_into(network)
    for theirs, ours in places.items():
        assert torch.equal(network.state_dict()[ours], content[theirs]), theirs
    assert weights.report()["unused"] == []
    assert weights.report()["loaded"] == len(places)


@pytest.mark.parametrize("make", [make for make, _ in RULES], ids=["densenet", "mobilenet", "googlenet", "vgg"])
def test_our_own_names_are_not_taken_for_published_ones(given, make):
    """MobileNet's `features.3.conv.3` is one tensor here and another there."""
    other, network = with_statistics(make()), make()
    weights = given(other.state_dict())
    weights.put_into(network)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in network.state_dict().items())
    assert weights.report()["fresh"] == weights.report()["unused"] == []


def test_a_published_bias_before_a_batch_norm_is_taken_off_the_running_mean(given):
    """norm(conv(x) + b) with mean m is norm(conv(x)) with mean m - b; without it the first layers would predict otherwise."""
    theirs = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64))
    with_statistics(theirs).eval()
    network = VGG(stem="small", tasks={"class": 3}, input_shape=(3, 32, 32)).eval()
    weights = given({f"features.{name}": value for name, value in theirs.state_dict().items()})
    weights.put_into(network)
    with torch.no_grad():
        torch.testing.assert_close(network.features[:2](images()), theirs(images()), rtol=1e-5, atol=1e-6)
    assert theirs[0].bias.abs().max() > 0.1
    assert weights.report()["unused"] == []


WRAPPED = [
    lambda found: found,
    lambda found: {"state_dict": found, "epoch": 3, "arch": "resnet18"},
    lambda found: {"model": found, "optimizer": {"state": {}}},
    lambda found: {"model_state_dict": found},
    lambda found: {"model": {"state_dict": found}, "mean": torch.zeros(3)},
    lambda found: {f"module.{name}": value for name, value in found.items()},
    lambda found: {f"_orig_mod.module.{name}": value for name, value in found.items()},
    lambda found: {"state_dict": {f"model.{name}": value for name, value in found.items()}},
    lambda found: {  # torchvision's segmentation networks
        **{f"backbone.{name}": value for name, value in found.items()},
        "classifier.0.weight": torch.ones(2),
    },
]


@pytest.mark.parametrize("wrap", WRAPPED)
def test_wrappers_and_prefixes(given, wrap):
    network, published = deeplab(), state(RESNET18, NARROW)
    weights = given(wrap(published))
    weights.put_into(network)
    assert torch.equal(network.blocks[7].body[3].weight, published["layer4.1.conv2.weight"])
    assert weights.report()["loaded"] == 100


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_safetensors_and_other_precisions(given, kind):
    published = {
        name: value.to(kind) if value.is_floating_point() else value for name, value in state(RESNET18, NARROW).items()
    }
    network = deeplab()
    given(published, "weights.safetensors").put_into(network)
    assert network.stem[0].weight.dtype == torch.float32
    assert torch.equal(network.stem[0].weight, published["conv1.weight"].float())


def test_files_of_before_batch_norms_counted_miss_nothing(given):
    published = {name: value for name, value in state(RESNET18).items() if not name.endswith("num_batches_tracked")}
    weights = given(published)
    weights.put_into(resnet())
    assert (weights.report()["loaded"], weights.report()["fresh"]) == (100, ["fc.class.bias", "fc.class.weight"])


def test_a_head_of_our_own_is_taken_where_it_fits_and_left_where_it_does_not(given):
    weights = given(resnet(tasks=("scene", "kind"), classes=5, seed=1).state_dict())
    torch.manual_seed(0)
    network = ResNet(depth=18, stem="imagenet", tasks={"scene": 5, "kind": 7}, input_shape=(3, 32, 32))
    weights.put_into(network)
    assert torch.equal(network.fc["scene"].weight, weights.state["fc.scene.weight"])
    report = weights.report()
    assert report["fresh"] == report["unused"] == ["fc.kind.bias", "fc.kind.weight"]


def test_statistics_whose_rows_are_alike_are_those_of_other_tasks_too(given):
    """As hard sharing leaves them; those of paths that differ belong to their tasks."""
    other = deeplab(tasks=("a", "b", "c"))
    mean = other.stem[1].running_mean
    mean.copy_(torch.arange(4.0))
    network = deeplab(tasks=("d", "e"))
    given(other.state_dict()).put_into(network)
    assert torch.equal(network.stem[1].running_mean, torch.arange(4.0).expand(2, 4))
    mean[1] = 7.0
    said = refusal(given(other.state_dict()), deeplab(tasks=("d", "e")))
    assert "'stem.1.running_mean' has shape (3, 4), here (2, 4); its rows are of tasks with paths of their own" in said


def test_the_report_is_over_all_networks_of_a_run(given):
    weights = given(state(RESNET18, NARROW))
    for task in ("near", "far"):
        weights.put_into(deeplab(tasks=(task,)))
    report = weights.report()
    assert report["loaded"] == 100
    assert {name.split(".")[1] for name in report["fresh"]} == {"near", "far"}


def test_a_network_without_rules_takes_its_own_names(given):
    other, network = tiny.Labels({"class": 3}), tiny.Labels({"class": 3})
    weights = given({f"module.{name}": value for name, value in other.state_dict().items()})
    weights.put_into(network)
    assert torch.equal(network.convolution.weight, other.convolution.weight)
    assert weights.report()["unused"] == []


def test_a_wrong_shape_of_the_backbone_is_named_with_the_remedy(given):
    weights = given(state(RESNET18), "r18.pt")
    said = refusal(weights, deeplab())
    assert "r18.pt: 'conv1.weight' has shape (64, 3, 7, 7), here 'stem.0.weight' has (4, 3, 7, 7); " in said
    assert "model.widths=[64,128,256,512]" in said
    said = refusal(weights, resnet(stem="small"))
    assert (
        "'conv1.weight' has shape (64, 3, 7, 7), here (64, 3, 3, 3); published files are of model.stem=imagenet" in said
    )
    torch.manual_seed(0)
    grey = ResNet(depth=18, stem="imagenet", tasks={"class": 3}, input_shape=(1, 32, 32))
    assert "(64, 3, 7, 7), here (64, 1, 7, 7); " in (said := refusal(weights, grey))
    assert "three channels" in said


def test_a_file_in_which_nothing_fits_is_refused(given):
    said = refusal(given({"encoder.0.weight": torch.ones(3), "encoder.0.bias": torch.ones(3)}), resnet())
    assert (
        "none of its 2 tensors fits this network; there they are called 'encoder.0.weight', 'encoder.0.bias', "
        "here 'conv1.weight', 'bn1.weight'," in said
    )
    assert "rename them" in said


def test_values_that_are_not_finite_are_refused(given):
    for value in (float("nan"), float("inf")):
        published = state(RESNET18, NARROW)
        published["layer3.1.bn2.bias"][1] = value
        said = refusal(given(published), deeplab())
        assert "'layer3.1.bn2.bias' has values that are not finite" in said
    published = state(RESNET18, NARROW)
    published["fc.bias"][0] = float("nan")  # which is not taken
    given(published).put_into(deeplab())


def test_tensors_that_are_no_plain_numbers_are_refused(given):
    published = state(RESNET18, NARROW)
    for value in (torch.zeros(4, 3, 7, 7, dtype=torch.int8), published["conv1.weight"].to_sparse()):
        said = refusal(given({**published, "conv1.weight": value}), deeplab())
        assert "'conv1.weight' is no plain tensor of torch.float32 but " in said
        assert "not quantised or sparse" in said


def test_two_tensors_for_one_place_are_refused(given):
    published = state(RESNET18, NARROW)
    said = refusal(given({**published, "module.conv1.weight": published["conv1.weight"]}), deeplab())
    assert "more than one tensor for 'stem.0.weight': 'conv1.weight', 'module.conv1.weight'; " in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"epoch": 3, "best": 0.5},
            "holds no tensors by name, .* it holds 'epoch', 'best'; save the network's state_dict",
        ),
        ([1, 2], "holds no tensors by name, .* it holds a list; "),
        ({}, "holds no tensors by name, .* it holds nothing; "),
        (b"<!DOCTYPE html><html>", "is a page of the web, not the file behind it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS.*git lfs pull"),
        (b"no weights", "not a checkpoint of plain tensors"),
    ],
)
def test_files_without_weights_are_refused(given, content, said):
    with pytest.raises(ConfigurationError, match=rf"(?s)model.weights=.*weights.pt:? {said}"):
        given(content)


def test_a_file_that_changed_since_the_run_was_named_is_refused(tmp_path):
    torch.save(state(RESNET18, NARROW), tmp_path / "weights.pt")
    with pytest.raises(ConfigurationError, match="has changed while the run began; start it again"):
        Pretrained(str(tmp_path / "weights.pt"), "0" * 64)


def test_the_published_names_are_those_of_the_published_sizes():
    """11,689,512 and 25,557,032 parameters, as torchvision gives them."""
    for text, expected in ((RESNET18, 11_689_512), (RESNET50, 25_557_032)):
        counted = [
            torch.Size(shape).numel() for name, shape in shapes(text).items() if name.endswith(("weight", "bias"))
        ]
        assert sum(counted) == expected
