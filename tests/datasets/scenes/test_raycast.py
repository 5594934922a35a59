import numpy as np
import pytest

from runner.datasets.scenes import raycast
from runner.datasets.scenes.raycast import ABSENT, BALL, BOX, CYLINDER, Solids

HALF_TURN = float(np.sqrt(0.5))  # cosine and sine of 45 degrees


def solids(*entries):
    """One scene of solids given as (kind, centre, half extents, cosine, sine)."""
    kind, centre, half, cosine, sine = zip(*entries, strict=True)
    columns = [np.array(field, np.float32).T[:, None] for field in (centre, half)]
    turn = np.array([cosine, sine], np.float32)[:, None]
    return Solids(np.array([kind], np.int8), *columns, turn)


def cast(scene, *directions, origin=(0, 0, 0), bound=100.0):
    """Parameter and index for rays of one bundle."""
    direction = np.array(directions, np.float32).T[:, None]
    far, behind = np.full((1, len(directions)), bound, np.float32), np.full((1, len(directions)), -1)
    start = np.array(origin, np.float32)[:, None]
    t, index = raycast.nearest(start, direction, np.zeros(1, np.int64), scene, far, behind)
    return t[0], index[0]


def test_ball_straight_ahead_and_aside():
    scene = solids((BALL, (0, 0, 5), (1, 1, 1), 1, 0))
    t, index = cast(scene, (0, 0, 1), (0, 0, 2), (0.1, 0, 1), (0.3, 0, 1))
    # |t d - c|^2 = 1 with d = (0.1, 0, 1): 1.01 t^2 - 10 t + 24 = 0
    aside = (10 - np.sqrt(100 - 4 * 1.01 * 24)) / 2.02
    np.testing.assert_allclose(t, [4, 2, aside, 100], rtol=1e-6)
    assert index.tolist() == [0, 0, 0, -1]


def test_small_ball_far_away_is_exact():
    scene = solids((BALL, (0.03, 0, 15), (0.05, 0.05, 0.05), 1, 0))
    (t,), _ = cast(scene, (0, 0, 1))
    assert t == pytest.approx(15 - 0.04, abs=1e-5)  # 0.03^2 + 0.04^2 = 0.05^2


def test_box_turned_by_45_degrees():
    scene = solids((BOX, (0, 0, 5), (1, 1, 1), HALF_TURN, HALF_TURN))
    t, _ = cast(scene, (0, 0, 1), (0.2, 0, 1))
    # the face towards x and -z: (x - z) / sqrt 2 = 1 - 5 / sqrt 2
    side = (5 * HALF_TURN - 1) / (0.8 * HALF_TURN)
    np.testing.assert_allclose(t, [5 - np.sqrt(2), side], rtol=1e-6)


def test_box_of_unequal_sides_turns_the_right_way():
    # its own z axis, 3 long either way, points along world (sin, 0, cos) = (1, 0, 0)
    scene = solids((BOX, (0, 0, 5), (0.5, 0.5, 3), 0, 1))
    t, _ = cast(scene, (0, 0, 1), (0.5, 0, 1), (0.7, 0, 1))
    np.testing.assert_allclose(t, [4.5, 4.5, 100], rtol=1e-6)


def test_cylinder_side_and_cap():
    scene = solids((CYLINDER, (0, 2, 5), (1, 1, 1), 1, 0))
    t, _ = cast(scene, (0, 0.4, 1), (0, 0.25, 1), (0, 0.2, 1), (0, 0.1, 1))
    # side at z = 4, from y = 1 to 3; the cap at y = 1 is met between z = 4 and 6
    np.testing.assert_allclose(t, [4, 4, 5, 100], rtol=1e-6)


def test_nearest_wins_and_what_is_absent_behind_or_around_does_not():
    scene = solids(
        (BALL, (0, 0, 9), (1, 1, 1), 1, 0),
        (BOX, (0, 0, 7), (1, 1, 1), 1, 0),
        (ABSENT, (0, 0, 3), (1, 1, 1), 1, 0),
        (BOX, (0, 0, -4), (1, 1, 1), 1, 0),
        (BALL, (0, 0, 0), (2, 2, 2), 1, 0),
    )
    t, index = cast(scene, (0, 0, 1))
    assert (t.tolist(), index.tolist()) == ([6.0], [1])
    t, index = cast(scene, (0, 0, 1), bound=5.5)
    assert (t.tolist(), index.tolist()) == ([5.5], [-1])


def test_ray_along_a_face_plane_is_finite():
    scene = solids((BOX, (0, 0, 5), (1, 1, 1), 1, 0))
    t, _ = cast(scene, (0, 0, 1), origin=(1, 0, 0))
    assert np.isfinite(t).all()


def test_culling_loses_nothing(monkeypatch):
    random = np.random.default_rng(0)
    bundles, rays, count = 200, 64, 30
    angle = random.uniform(0, 6, (1, count))
    scene = Solids(
        random.integers(0, 3, (1, count)).astype(np.int8),
        random.uniform(-6, 6, (3, 1, count)).astype(np.float32),
        random.uniform(0.05, 2, (3, 1, count)).astype(np.float32),
        np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32),
    )
    origin = random.uniform(-3, 3, (3, bundles)).astype(np.float32)
    middle = random.normal(size=(3, bundles, 1))
    direction = (middle + 0.2 * random.normal(size=(3, bundles, rays))).astype(np.float32)
    bound, behind = np.full((bundles, rays), 4, np.float32), np.full((bundles, rays), -1)
    rows = np.zeros(bundles, np.int64)
    culled = raycast.within_reach(origin, direction, bound, rows, scene)
    fast = raycast.nearest(origin, direction, rows, scene, bound, behind)
    monkeypatch.setattr(raycast, "within_reach", lambda *_: np.ones((bundles, count), bool))
    slow = raycast.nearest(origin, direction, rows, scene, bound, behind)
    np.testing.assert_array_equal(fast[0], slow[0])
    np.testing.assert_array_equal(fast[1], slow[1])
    assert culled.mean() < 0.7
    assert (slow[1] >= 0).mean() > 0.2


def test_turning_there_and_back():
    vector = np.array([[0.3], [-0.5], [2.0]], np.float32)
    turn, half = np.array([[0.6], [0.8]], np.float32), np.array([[0.5], [2.0], [4.0]], np.float32)
    own = raycast.to_own(vector, turn, half)
    np.testing.assert_allclose(own[:, 0], [(0.18 - 1.6) / 0.5, -0.25, (0.24 + 1.2) / 4], rtol=1e-6)
    np.testing.assert_allclose(raycast.to_world(own * half, turn), vector, rtol=1e-6)


def test_box_faces():
    own = np.array([[1.0, 0.2, -0.3, 1.0], [0.1, -1.0, 0.4, 0.0], [0.2, 0.3, 1.0, 1.0]], np.float32)
    heading = np.array([[-1.0, 0.5, 0.1, 0.3], [0.2, 2.0, 0.1, 0.1], [0.3, 0.1, -1.0, -0.2]], np.float32)
    normal, face = raycast.box_face(own, heading)
    # the last point is on the edge of +x and +z, but its ray can only enter through +z
    np.testing.assert_array_equal(normal.T, [[1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, 1]])
    assert face.tolist() == [1, 2, 5, 5]


def test_round_faces():
    own = np.array([[0.6, 0.1, 0.6], [0.2, -1.0, 0.0], [-0.8, 0.1, -0.8]], np.float32)
    heading = np.array([[0, 0, 0], [0.1, 1.0, 0.1], [1, 0.1, 1]], np.float32)
    half = np.full((3, 3), 2, np.float32)
    normal, face = raycast.round_face(np.array([True, True, False]), own, heading, half)
    np.testing.assert_allclose(normal.T, [[0.6, 0, -0.8], [0, -1, 0], [0.6, 0, -0.8]], atol=1e-6)
    assert face.tolist() == [0, 2, 0]
