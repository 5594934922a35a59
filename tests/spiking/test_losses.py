from functools import partial
from itertools import product

import pytest
import torch

from runner.errors import ConfigurationError
from runner.spiking import count_loss, desired_train, kernel_loss, rate_loss, softmax_loss
from runner.spiking.dynamics import psc_filter
from runner.spiking.losses import desired_psc, within_reach


@pytest.mark.parametrize(
    ("train", "version", "expected"),
    [
        ((0, 1, 0, 1, 1), "published", [0, 0.33333, 0.22222, 0.48148, 0.65432]),
        ((0, 1, 1, 1, 1), "published", [0, 0.33333, 0.55556, 0.70370, 0.80247]),
        ((0, 1, 1, 1, 1), "released", [0, 0.11111, 0.25926, 0.40741, 0.53909]),
    ],
)
def test_desired_currents(train, version, expected):
    torch.testing.assert_close(desired_psc(train, 3.0, version), torch.tensor(expected), rtol=0, atol=6e-6)


def test_desired_trains():
    assert desired_train(5, "released") == [0, 1, 1, 1, 1]
    assert desired_train(5, "published") == [0, 1, 0, 1, 1]
    assert desired_train(6, "published") == [0, 1, 0, 1, 1, 0]
    assert desired_train(4) == [1, 1, 1, 1]
    assert desired_train(1, "published") == [1]
    assert desired_train(10) == [0, 1] * 5
    assert desired_train(30, "published") == [0, 1] * 15


def test_kernel_loss_is_half_the_squared_distance_summed_over_everything():
    psc = torch.rand(5, 2, 3).requires_grad_()
    labels = torch.tensor([2, 0])
    target = torch.zeros(5, 2, 3)
    target[:, 0, 2] = target[:, 1, 0] = desired_psc((0, 1, 1, 1, 1), 3.0, "released")
    loss = kernel_loss(psc, labels, tau_s=3.0)
    torch.testing.assert_close(loss, 0.5 * (psc - target).square().sum())
    loss.backward()
    torch.testing.assert_close(psc.grad, psc.detach() - target)


def test_kernel_loss_takes_another_train_of_the_right_length():
    psc, labels = torch.zeros(4, 1, 2), torch.tensor([1])
    expected = 0.5 * desired_psc((1, 0, 0, 1), 3.0, "published").square().sum()
    torch.testing.assert_close(kernel_loss(psc, labels, tau_s=3.0, version="published", train=[1, 0, 0, 1]), expected)
    with pytest.raises(ConfigurationError, match="the desired train has 3 steps, the network 4: give one per step"):
        kernel_loss(psc, labels, tau_s=3.0, train=[1, 0, 0])
    with pytest.raises(ConfigurationError, match="version=last is not allowed; use released or published"):
        kernel_loss(psc, labels, tau_s=3.0, version="last")
    with pytest.raises(ConfigurationError, match="version=paper is now version=published"):
        desired_train(30, "paper")


@pytest.mark.parametrize(
    ("count", "label", "loss", "slope"),
    [
        (20.0, 0, 0.0, 0.0),  # the true class has more than wanted
        (10.0, 0, 0.416667, -0.166667),
        (2.0, 1, 0.0, 0.0),  # another class has less
        (6.0, 1, 0.15, 0.1),
    ],
)
def test_count_loss(count, label, loss, slope):
    psc = torch.zeros(30, 1, 2)
    psc[..., 0] = count / 30
    psc[..., 1] = 3 / 30 if label == 0 else 15 / 30  # as wanted
    psc.requires_grad_()
    found = count_loss(psc, torch.tensor([label]), desired=15, undesired=3)
    assert float(found.detach()) == pytest.approx(loss, abs=1e-6)
    found.backward()
    torch.testing.assert_close(psc.grad[:, 0, 0], torch.full((30,), slope), rtol=1e-5, atol=1e-6)


def test_softmax_loss_is_the_cross_entropy_of_sums():
    psc, labels = torch.rand(5, 4, 3), torch.tensor([0, 2, 1, 1])
    expected = -psc.sum(0).log_softmax(-1)[torch.arange(4), labels].mean()
    torch.testing.assert_close(softmax_loss(psc, labels), expected)


def test_rate_loss_by_hand():
    """Two steps, two classes: rates 1/2 and 1 of which 1 and 0 are wanted, 1 and 0 of which 0 and 1 are."""
    psc = torch.tensor([[[1.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])
    assert rate_loss(psc, torch.tensor([0, 1])).item() == 0.5 * ((0.25 + 1) + (1 + 1)) / 2


HALVES = [slice(0, 3), slice(3, 6)]


@pytest.mark.parametrize(
    "loss",
    [
        partial(kernel_loss, tau_s=3.0),
        partial(kernel_loss, tau_s=3.0, version="published"),
        partial(count_loss, desired=2.5, undesired=0.5),
    ],
)
def test_kernel_and_count_loss_are_sums_over_samples(loss):
    psc, labels = torch.rand(5, 6, 4, dtype=torch.float64), torch.arange(6) % 4
    parts = [loss(psc[:, half], labels[half]) for half in HALVES]
    torch.testing.assert_close(sum(parts), loss(psc, labels), rtol=1e-12, atol=0)


def test_softmax_loss_is_a_mean_over_samples():
    psc, labels = torch.rand(5, 6, 4, dtype=torch.float64), torch.arange(6) % 4
    parts = [softmax_loss(psc[:, half], labels[half]) for half in HALVES]
    torch.testing.assert_close(sum(parts) / 2, softmax_loss(psc, labels), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("train", "tau_s", "version", "expected"),
    [
        # Of [0, 1] filtered twice [0, 1/9] is wanted: silence is off by 1/81, a spike in the second step by (1/3 - 1/9)^2 = 4/81.
        ((0, 1), 3.0, "released", False),
        ((1, 1), 3.0, "released", True),  # [1/9, 7/27]: silence (9 + 49)/729, the second step alone 9/729 + 4/729
        ((1,), 3.0, "released", False),  # 1/9 again, off by 1/81 or 4/81
        ((1,), 3.0, "published", True),  # one spike is what is wanted
        ((0, 1), 2.0, "published", True),
        ((0, 0, 0), 2.0, "published", False),
    ],
)
def test_whether_spikes_come_nearer_than_silence(train, tau_s, version, expected):
    assert within_reach(desired_psc(train, tau_s, version), tau_s) == expected


@pytest.mark.parametrize("tau_s", [1.0, 2.0, 3.0, 8.0])
def test_whether_spikes_come_nearer_is_as_trying_all_trains_says(tau_s):
    for steps in range(1, 7):
        trains = torch.tensor(list(product((0.0, 1.0), repeat=steps)))  # the first is silence
        targets = torch.stack([desired_psc(tuple(train), tau_s, "released") for train in trains.tolist()])
        distances = (psc_filter(trains.T, tau_s).T[:, None] - targets).square().sum(2)  # (train, target)
        tried = (distances[1:].amin(0) < distances[0]).tolist()
        assert [within_reach(target, tau_s) for target in targets] == tried
