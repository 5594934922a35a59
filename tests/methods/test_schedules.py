"""Learning-rate factors against the published schedules."""

import pytest

from runner.methods.schedules import scaled, step_decay, warmup_cosine


def test_scaled_counts():
    assert [scaled(100, 0.5), scaled(10, 0.01), scaled(0, 0.5), scaled(7, 1.0)] == [50, 1, 0, 7]


def test_step_decay_halves_every_4000_steps():
    factor = step_decay(20000, 4000, 0.5)
    assert [factor(step / 20000) for step in (0, 3999, 4000, 8000, 19999)] == [1, 1, 0.5, 0.25, 0.0625]


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.0512), (4, 0.256), (5, 0.256), (100, 0.13315), (199, 1.7e-5)])
def test_warmup_cosine_of_knowledge_evolution(epoch, rate):
    factor = warmup_cosine(200, 5)
    for inside in (0.0, 0.5, 0.99):
        assert 0.256 * factor((epoch + inside) / 200) == pytest.approx(
            rate, rel=1e-4, abs=0.05e-5
        )  # printed to two digits
