import torch

from runner.datasets.binning import Events, bin_events, bin_events_officially, stabilise


def events(*rows: tuple[int, int, int, int, int]) -> Events:
    return Events(*torch.tensor(rows, dtype=torch.int32).unbind(1))


def test_stabilise_subtracts_the_three_saccades() -> None:
    rows = [(0, 0, 20, 20, time) for time in (0, 52_500, 105_000, 157_500, 210_000, 262_500, 315_000)]
    moved = stabilise(events(*rows))
    # 20 - 1.75 = 18.25, 20 - 3.5 = 16.5 rounds up, 20 - 5.25, 20 - 7, then back.
    assert moved.x.tolist() == [20, 18, 17, 15, 13, 17, 20]
    assert moved.y.tolist() == [20, 17, 13, 17, 20, 20, 20]  # 20 - 3.5 = 16.5 rounds up
    assert moved.time.tolist() == [row[4] for row in rows]


def test_stabilise_rounds_halves_up_below_zero_too() -> None:
    moved = stabilise(events((0, 0, 0, 0, 15_000), (0, 0, 0, 0, 45_000)))
    assert moved.x.tolist() == [0, -1]  # -0.5 and -1.5
    assert moved.y.tolist() == [-1, -3]


def test_bins_begin_at_multiples_of_the_step() -> None:
    marks = bin_events(
        events((0, 1, 2, 3, 0), (0, 1, 2, 3, 2999), (1, 0, 4, 5, 3000), (1, 0, 4, 5, 6000)), 2, 2, 3000, 6
    )
    assert marks.shape == (2, 2, 2, 6, 6)
    assert marks.nonzero().tolist() == [[0, 0, 1, 2, 3], [1, 1, 0, 4, 5]]
    assert marks.sum() == 2  # two events in one step mark it once; the one at 6 ms is past the end
    assert marks.dtype == torch.float32
    assert marks.is_contiguous()


def test_events_outside_the_sensor_are_left_out() -> None:
    outside = [(0, 0, -1, 0, 0), (0, 0, 0, -1, 0), (0, 0, 6, 0, 0), (0, 0, 0, 6, 0)]
    assert bin_events(events(*outside), 1, 2, 3000, 6).sum() == 0


def test_official_bins() -> None:
    times = (0, 1, 3000, 3001, 6000, 6001, 9000)
    rows = [(0, 1, 10 + number, number, time) for number, time in enumerate(times)]
    marks = bin_events_officially(events(*rows), 1, 3, 3000, 34)
    # Bins ceil(t / 3000) = 0, 1, 1, 2, 2, 3, 3; index less one, 0 wraps to the last, 3 is not below T; axes are x, y.
    assert marks.nonzero().tolist() == [
        *([0, 0, 1, 1, 11], [0, 0, 1, 2, 12]),
        *([1, 0, 1, 3, 13], [1, 0, 1, 4, 14]),
        [2, 0, 1, 0, 10],
    ]
