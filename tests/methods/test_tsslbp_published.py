"""Eighteen steps of training by the code of TSSL-BP's publication: golden/tsslbp_paper_training_count.npz.

The recipe of Fashion-MNIST's CNN with fewer maps and neurons, on ten images in one batch, in float64. The output layer fires
less than 0.1 times a step in six of the steps, so that both of the published rule's ways back are walked.
"""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.compose import composed
from tests.methods.around import Recording

from runner.run import assemble
from runner.training.loop import train

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "tsslbp_paper_training_count.npz")
STEPS = len(GOLDEN["losses"])
# They divide the gradient by its norm and 1e-6 more, the runner by its norm alone, which is 27 at least: 4e-8 of a step.
TOLERANCE = 1e-7


def written(folder: Path) -> Path:
    images, labels = GOLDEN["images"], GOLDEN["labels"]
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, *images.shape) + images.tobytes())
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, len(labels)) + labels.tobytes())
    return folder


def test_training_is_the_authors_step_by_step(tmp_path):
    settings = composed(
        "experiment=tsslbp/fashion_cnn",
        "model.layers=3C5p2-P2-4C5p2-P2-12",
        f"method.batch_size={len(GOLDEN['labels'])}",
        f"method.epochs={STEPS}",
        "method.evaluations=1",
        f"dataset.root={written(tmp_path)}",
        f"cache_dir={tmp_path}",
    )
    data, method, _ = assemble(settings, torch.device("cpu"))
    draw = data.batch

    def in_float64(*arguments):
        found = draw(*arguments)
        pixels = (found.inputs * 0.3081 + 0.1307).mul(255).round().double()  # float32's last bits would grow to 7e-4
        return found._replace(inputs=(pixels / 255 - 0.1307) / 0.3081)

    data.batch = in_float64
    weights = list(method.double().parameters())
    with torch.no_grad():
        for index, weight in enumerate(weights):
            weight.copy_(torch.from_numpy(GOLDEN[f"weight_{index}"]).reshape(weight.shape))
    recording = Recording()
    train(method, data, recording, seed=0, autocast=contextlib.nullcontext)
    losses, norms = zip(*(step[2:] for step in recording.steps), strict=True)
    assert losses == pytest.approx(GOLDEN["losses"].tolist(), rel=TOLERANCE)
    assert norms == pytest.approx(GOLDEN["norms"].tolist(), rel=TOLERANCE)
    for index, weight in enumerate(weights):
        after = torch.from_numpy(GOLDEN[f"after_{index}"]).reshape(weight.shape)
        assert float((weight.detach() - after).norm() / after.norm()) < TOLERANCE
