"""Learning-rate factors against the published schedules."""

import pytest

from runner.methods.schedules import part, step_decay, warmup_cosine


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


def test_a_part_of_a_schedule_is_what_the_whole_has_there():
    whole = warmup_cosine(20, 5)
    piece = part(whole, 10 / 20, 15 / 20)
    assert [piece(k / 5) for k in range(5)] == [whole((10 + k) / 20) for k in range(5)]
    assert part(whole, 0, 1) is whole
