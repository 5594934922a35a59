"""A room worked out by hand, and properties of random ones."""

import numpy as np
import pytest

from runner.datasets.scenes import CATEGORIES, layout, render
from runner.datasets.scenes.dice import Dice, Material
from runner.datasets.scenes.raycast import ABSENT, BALL, BOX, to_own
from runner.datasets.scenes.recipes import ROOM_TYPES
from runner.datasets.scenes.room import Solid
from runner.datasets.scenes.table import tabulate
from runner.datasets.scenes.view import FACES, camera_rays, look

SIZE = 32
PLAIN = Material((0.5, 0.5, 0.5), (0, 0, 0), 0, 1.0, (1, 1, 1), (0, 0, 0), 0.0, 0.0)
LIGHT = layout.Light((0.0, -2.5, 3.0), (1.0, 1.0, 1.0), 3.0)


def name(category):
    return CATEGORIES.index(category)


def solid(kind, category, centre, half, marked=True):
    return Solid(kind, name(category), PLAIN, centre, half, 1.0, 0.0, marked)


def by_hand(*solids):
    """A room 4 x 3 x 6 m seen from (0, -1.5, 1) along z by a camera whose focal length is half its width."""
    camera = layout.Camera((0, -1.5, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    picture = layout.Look(0.3, 1.0, (1, 1, 1), 0.0)
    return layout.Scene(0, (4.0, 3.0, 6.0), (PLAIN,) * 3, list(solids), camera, (LIGHT, LIGHT), picture)


@pytest.fixture
def rendered(monkeypatch):
    def run(*solids):
        monkeypatch.setattr(render, "sample", lambda dice: by_hand(*solids))
        arrays = render.render([Dice(0, 0, 0)], SIZE)
        return {key: values[0] for key, values in arrays.items()}

    return run


def points():
    """Image points x and y of pixel centres, in half widths."""
    centre = (np.arange(SIZE) + 0.5) * 2 / SIZE - 1
    return np.meshgrid(centre, centre)


def test_empty_room(rendered):
    x, y = points()
    seen = rendered()
    # walls at |x| = 2, floor and ceiling 1.5 below and above, the far wall 5 ahead: depth is where the first is met
    side, level = 2 / np.abs(x), 1.5 / np.abs(y)
    np.testing.assert_allclose(seen["depth"], np.minimum(np.minimum(side, level), 5), rtol=1e-3)
    flat = level < np.minimum(side, 5)
    expected = np.where(flat, np.where(y > 0, name("floor"), name("ceiling")), name("wall"))
    np.testing.assert_array_equal(seen["segmentation"], expected)
    normals = seen["normals"][:, [31, 0, 16, 16, 16], [16, 16, 0, 31, 16]].T  # floor, ceiling, left, right, far wall
    np.testing.assert_array_equal(normals, 127 * np.array([[0, -1, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, -1]]))


def test_keypoints_of_an_empty_room(rendered):
    heat = rendered()["keypoints"]
    # the far corners (+-2, +-1.5, 5) ahead project to x = +-0.4, y = +-0.3, the near ones lie behind the camera
    columns, rows = (np.array([-1, 1]) * at * SIZE / 2 + (SIZE - 1) / 2 for at in (0.4, 0.3))
    pixels = np.arange(SIZE)
    bells = [
        np.exp(-((pixels - middle) ** 2) / 2) * (np.abs(pixels - np.rint(middle)) <= 3)
        for middle in np.concatenate([rows, columns])[:, None]
    ]
    expected = np.einsum("ia,jb->ijab", bells[:2], bells[2:]).max((0, 1))
    np.testing.assert_allclose(heat / 255, expected, atol=0.5 / 255 + 1e-5)


def test_ball(rendered):
    seen = rendered(solid(BALL, "ball", (0.0, -1.5, 4.0), (1.0, 1.0, 1.0)))
    x, y = (axis[16, 16:20] for axis in points())
    # |t d - c|^2 = 1 with d = (x, y, 1), c = (0, 0, 3)
    square = x * x + y * y + 1
    depth = (3 - np.sqrt(9 - 8 * square)) / square
    np.testing.assert_allclose(seen["depth"][16, 16:20], depth, rtol=1e-3)
    normal = np.stack([depth * x, depth * y, depth - 3])
    np.testing.assert_allclose(seen["normals"][:, 16, 16:20] / 127, normal, atol=0.5 / 127 + 1e-5)
    assert (seen["segmentation"] == name("ball")).sum() == pytest.approx(np.pi / 8 * (SIZE / 2) ** 2, rel=0.1)
    assert seen["keypoints"][15:17, 15:17].min() > 190  # its middle, between four pixels: exp(-1/4) = 0.78


def test_hidden_corners_are_no_keypoints(rendered):
    front = solid(BOX, "box", (0.0, -1.5, 3.0), (0.5, 0.5, 0.5))
    behind = solid(BOX, "table", (0.0, -1.5, 4.5), (0.4, 0.4, 0.4))
    assert np.array_equal(rendered(front, behind)["keypoints"], rendered(front)["keypoints"])
    assert not np.array_equal(rendered(behind)["keypoints"], rendered()["keypoints"])
    assert (rendered(front._replace(marked=False))["keypoints"] <= rendered()["keypoints"]).all()


def test_shadow_falls_on_the_side_away_from_the_light(rendered):
    board = solid(BOX, "table", (0.0, -1.0, 3.0), (0.5, 0.05, 0.5))
    lit, shaded = rendered()["image"], rendered(board)["image"]
    darker = (shaded.mean(0) < lit.mean(0) - 5) & (rendered(board)["segmentation"] == name("floor"))
    assert darker.any()
    columns = np.nonzero(darker)[1]
    assert columns.mean() == pytest.approx((SIZE - 1) / 2, abs=0.5)  # the light is right above


@pytest.fixture(scope="module")
def chunk():
    return render.render([Dice(3, 0, index) for index in range(40)], SIZE)


def test_an_image_depends_on_seed_split_and_index_alone(chunk):
    for indices in ([5], [17, 4, 30]):
        others = render.render([Dice(3, 0, index) for index in indices], SIZE)
        for key, values in others.items():
            np.testing.assert_array_equal(values, chunk[key][indices], err_msg=key)
    for other in (Dice(4, 0, 5), Dice(3, 1, 5)):
        assert not np.array_equal(render.render([other], SIZE)["depth"][0], chunk["depth"][5])


def test_sizes_that_tiles_do_not_divide():
    whole = render.render([Dice(3, 0, 0)], 21)
    for key, (dtype, shape) in render.STORED.items():
        assert whole[key].dtype == dtype
        assert whole[key].shape == (1, *shape(21))


def test_normals_and_planes():
    """Unit normals towards the camera; points of a flat face lie in the plane of its normal."""
    scenes = [layout.sample(Dice(7, 0, index)) for index in range(12)]
    table = tabulate(scenes)
    x, y = (axis.astype(np.float32).reshape(1, -1) for axis in points())
    rays = camera_rays(scenes, x, y)
    hits = look(rays, table)
    np.testing.assert_allclose((hits.normal**2).sum(0), 1, atol=1e-5)
    assert (hits.normal * rays.direction).sum(0).max() < 0.01
    position = hits.t * rays.direction
    flat = hits.flat.any(0)
    for scene in range(len(scenes)):
        for surface in np.unique(hits.surface[scene][flat[scene]]):
            here = hits.surface[scene] == surface
            assert hits.flat[:, scene, here].any(0).all()
            offset = (hits.normal[:, scene, here] * position[:, scene, here]).sum(0)
            assert np.ptp(hits.normal[:, scene, here], axis=1).max() == 0
            assert np.ptp(offset) < 2e-3  # metres; sides of 3 mm grazing a plane 15 m away take all that float32 has
    assert FACES * len(table.category[0]) > hits.surface.max()


def test_stored_normals_are_unit_and_edges_lie_where_labels_change(chunk):
    lengths = np.sqrt((chunk["normals"].astype(np.float64) ** 2).sum(1)) / 127
    np.testing.assert_allclose(lengths, 1, atol=0.008)
    labels, heat = chunk["segmentation"], chunk["edges"]
    assert (heat[:, :, 1:][labels[:, :, 1:] != labels[:, :, :-1]] == 255).all()
    assert (heat[:, 1:][labels[:, 1:] != labels[:, :-1]] == 255).all()
    jump = np.abs(np.diff(np.log(chunk["depth"].astype(np.float64)), axis=2))
    assert heat[:, :, 1:][jump > 0.5].mean() > 250


def test_every_category_is_seen_and_none_is_everything(chunk):
    share = np.bincount(chunk["segmentation"].ravel(), minlength=len(CATEGORIES)) / chunk["segmentation"].size
    assert share.min() > 0.001
    assert share.max() < 0.5
    assert np.isfinite(chunk["depth"]).all()
    assert chunk["depth"].min() > 0.1
    assert 20 < chunk["image"].std() < 90


def test_kinds_of_rooms_are_balanced():
    drawn = [layout.sample(Dice(0, 0, index)).room_type for index in range(700)]
    counts = np.bincount(drawn, minlength=len(ROOM_TYPES))
    assert len(counts) == len(ROOM_TYPES)
    assert np.abs(counts - 100).max() < 30  # three standard deviations


def test_everything_stays_in_its_room():
    for index in range(150):
        scene = layout.sample(Dice(1, 0, index))
        width, height, length = scene.size
        for kind, _, _, (x, y, z), (a, b, c), cosine, sine, _ in scene.solids:
            turned = (abs(cosine) * a + abs(sine) * c, abs(sine) * a + abs(cosine) * c) if kind == BOX else (a, c)
            slack = 1e-6
            assert abs(x) + turned[0] < width / 2 + slack
            assert -height - slack < y - b
            assert y + b < slack
            assert -slack < z - turned[1]
            assert z + turned[1] < length + slack


def test_nothing_surrounds_the_camera():
    scenes = [layout.sample(Dice(2, 0, index)) for index in range(150)]
    solids = tabulate(scenes).solids
    eye = np.array([scene.camera.position for scene in scenes], np.float32).T[..., None]
    own = to_own(eye - solids.centre, solids.turn, solids.half)
    assert (np.abs(own).max(0)[solids.kind != ABSENT] > 1).all()


def test_random_numbers_come_from_philox_keyed_by_seed_split_and_index():
    dice = Dice(5, 1, 9)
    expected = np.random.Generator(np.random.Philox(np.random.SeedSequence([5, 1, 9]))).random(3)
    drawn = [dice.uniform(0, 1), dice.uniform(2, 4), dice.integer(1, 6)]
    assert drawn == [expected[0], 2 + 2 * expected[1], 1 + int(6 * expected[2])]
