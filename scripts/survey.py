"""Tries kernel-level masks and slim networks on public networks; `slim` where the slim network is the masked one, or why not."""

import argparse
import importlib
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec

import torch
from torch import nn

from runner.errors import ConfigurationError
from runner.evolution.hypothesis import kels, reinitialize
from runner.evolution.slim import extract, rehearse
from runner.models.cost import parameters

TORCHVISION = (
    "alexnet squeezenet1_1 vgg11 mnasnet0_5 mobilenet_v3_small efficientnet_b0 efficientnet_v2_s regnet_x_400mf regnet_y_400mf "
    "resnext50_32x4d wide_resnet50_2 shufflenet_v2_x0_5 inception_v3 googlenet densenet121 convnext_tiny vit_b_32 swin_t "
    "maxvit_t segmentation.deeplabv3_mobilenet_v3_large segmentation.lraspp_mobilenet_v3_large segmentation.fcn_resnet50"
)
TIMM = (
    "ecaresnet26t skresnet18 resnest14d res2net50_14w_8s ghostnet_050 cspresnet50 dpn48b rexnet_100 mixnet_s inception_next_tiny "
    "edgenext_xx_small poolformer_s12 resnet10t gernet_s repvgg_a0 hardcorenas_a tinynet_e lcnet_050 mobilenetv2_050 "
    "fbnetc_100 dla34 darknet53 vovnet39a ese_vovnet19b_dw hrnet_w18_small selecsls42b seresnext26d_32x4d tf_efficientnet_b0"
)


def networks() -> Mapping[str, Callable[[], nn.Module]]:
    """Name -> how to make it, of those that are installed."""
    found: dict[str, Callable[[], nn.Module]] = {}
    if find_spec("torchvision"):
        for name in TORCHVISION.split():
            module, _, short = name.rpartition(".")
            place = importlib.import_module(f"torchvision.models.{module}" if module else "torchvision.models")
            options = {"weights_backbone": None} if module else {}
            found[f"torchvision {name}"] = partial(getattr(place, short), weights=None, **options)
    if find_spec("timm"):
        timm = importlib.import_module("timm")
        for name in TIMM.split():
            found[f"timm {name}"] = partial(timm.create_model, name, pretrained=False)
    return found


def tried(make: Callable[[], nn.Module], rate: float) -> str:
    """What comes of one network."""
    torch.manual_seed(0)
    model = make().eval()
    side = 299 if type(model).__name__ == "Inception3" else 224
    example = torch.randn(1, 3, side, side)
    began = time.monotonic()
    try:
        masks = kels(model, example, rate)
        reinitialize(model, masks)
        slim = extract(model, masks, example, rehearse(model, masks, example))
    except ConfigurationError as error:
        return f"refused: {error}"
    share = 100 * parameters(slim) / parameters(model)
    return f"slim, {share:.0f} % of the parameters, {time.monotonic() - began:.1f} s"


def main() -> None:
    """A line for every network, and how many have a slim form."""
    parser = argparse.ArgumentParser(prog="scripts/survey", description=__doc__)
    parser.add_argument("--split-rate", type=float, default=0.5)
    parser.add_argument("name", nargs="*", help="networks, by a part of their names; all without")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {
        name: make for name, make in networks().items() if not asked.name or any(word in name for word in asked.name)
    }
    if not found:
        parser.exit(2, "scripts/survey: none of these networks; pip install torchvision timm\n")
    slim = 0
    for name, make in found.items():
        told = tried(make, asked.split_rate)
        slim += told.startswith("slim")
        print(f"{name}: {told}", flush=True)
    print(f"{slim} of {len(found)} have a slim form")


if __name__ == "__main__":
    main()
