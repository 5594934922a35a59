"""Things that stand, hang and lie in rooms, each made of a few solids; sizes in metres.

An item is put where there is space, or left out. What it is follows from shape, size and place, only partly from its surface:
a ball high up on a cord is a lamp, a box on a wall is a picture, a window or a door by its proportions and its height.
`turn` and `count` say which of how many of its kind an item is, for those that come in rows.
"""

from runner.datasets.scenes.room import Place, Room, Surface

_THIN = 0.02  # half the thickness of what is on a wall


def window(room: Room, turn: int, count: int) -> None:
    """One to three panes side by side at breast height, usually bright."""
    dice = room.dice
    panes, half, tall = dice.integer(1, 3), dice.uniform(0.3, 0.6), dice.uniform(0.45, 0.75)
    place = room.on_wall(panes * half, _THIN)
    if place is None:
        return
    middle = -max(1.5, room.height * dice.uniform(0.5, 0.6))
    glow = 0.0 if dice.chance(0.15) else dice.uniform(0.4, 0.9)
    glass = dice.material(("gradient", "plain"), brightness=(0.5, 0.95), saturation=0.4, border=0.06, glow=glow)
    for pane in range(panes):
        room.box("window", glass, place, ((2 * pane + 1 - panes) * half, middle, 0), (half, tall, _THIN))


def door(room: Room, turn: int, count: int) -> None:
    """A tall panel that reaches the floor."""
    dice = room.dice
    half, tall = dice.uniform(0.4, 0.5), dice.uniform(0.98, 1.08)
    place = room.on_wall(half, _THIN)
    if place is not None:
        material = dice.material(("plain", "stripes"), saturation=0.5, border=0.08)
        room.box("door", material, place, (0, -tall, 0), (half, tall, _THIN))


def picture(room: Room, turn: int, count: int) -> None:
    """A framed panel at the height of the eyes."""
    dice = room.dice
    half, tall = dice.uniform(0.25, 0.75), dice.uniform(0.25, 0.5)
    place = room.on_wall(half, _THIN)
    if place is not None:
        material = dice.material(("noise", "noise", "checker", "gradient"), saturation=0.9, border=0.05)
        room.box("picture", material, place, (0, -dice.uniform(1.45, 1.75), 0), (half, tall, _THIN))


def table(room: Room, turn: int, count: int) -> None:
    """A top on four legs, on two side panels, or round on one leg."""
    dice = room.dice
    wide, deep, tall = dice.uniform(0.4, 0.9), dice.uniform(0.3, 0.5), dice.uniform(0.4, 0.8)
    if dice.chance(0.25):
        deep = wide = min(wide, 0.6)
        place = room.on_floor(wide, wide)
        if place is None:
            return
        material = dice.material(("plain", "noise"))
        room.cylinder("table", material, place, -tall, wide, 0.03)
        room.cylinder("table", material, place, -tall / 2, 0.06, tall / 2, marked=False)
    else:
        place = room.on_floor(wide, deep) if dice.chance(0.6) else room.before_wall(wide, deep)
        if place is None:
            return
        material = dice.material(("plain", "noise", "stripes"), spacing=(0.1, 0.3))
        room.box("table", material, place, (0, -tall, 0), (wide, 0.03, deep))
        foot = (0.03, tall / 2, 0.03) if dice.chance(0.5) else (0.03, tall / 2, deep - 0.03)
        for side in (-1, 1):
            for end in (-1, 1) if foot[2] == 0.03 else (0,):
                offset = (side * (wide - 0.05), -tall / 2, end * (deep - 0.05))
                room.box("table", material, place, offset, foot, marked=False)
    room.tops.append(Surface(place._replace(ground=-tall - 0.03), wide, deep))


def shelf(room: Room, turn: int, count: int) -> None:
    """Against a wall, tall: open boards between two sides, or closed."""
    dice = room.dice
    wide, deep, tall = dice.uniform(0.35, 0.8), dice.uniform(0.16, 0.28), dice.uniform(0.75, 1.1)
    place = room.before_wall(wide, deep)
    if place is None:
        return
    material = dice.material(("stripes", "plain"), spacing=(0.08, 0.3), border=0.04)
    if dice.chance(0.4):
        room.box("shelf", material, place, (0, -tall, 0), (wide, tall, deep))
        return
    for side in (-1, 1):
        room.box("shelf", material, place, (side * (wide - 0.02), -tall, 0), (0.02, tall, deep))
    boards = dice.integer(4, 5)
    for board in range(boards):
        middle = -0.05 - (2 * tall - 0.1) * board / (boards - 1)
        room.box("shelf", material, place, (0, middle, 0), (wide - 0.04, 0.02, deep), marked=False)
    back = dice.material(("stripes", "noise"), spacing=(0.05, 0.2))
    room.box("shelf", back, place, (0, -tall, deep * 0.5), (wide - 0.04, tall - 0.05, deep * 0.5), marked=False)


def sofa(room: Room, turn: int, count: int) -> None:
    """A seat with a back and two arms."""
    dice = room.dice
    wide, deep, arm = dice.uniform(0.5, 1.1), dice.uniform(0.38, 0.48), dice.uniform(0.06, 0.12)
    place = room.before_wall(wide, deep) if dice.chance(0.75) else room.on_floor(wide, deep)
    if place is None:
        return
    material = dice.material(("plain", "noise", "stripes"), spacing=(0.1, 0.4))
    seat, back = dice.uniform(0.19, 0.23), dice.uniform(0.36, 0.46)
    room.box("sofa", material, place, (0, -seat, -0.1), (wide - 2 * arm, seat, deep - 0.1), marked=False)
    room.box("sofa", material, place, (0, -back, deep - 0.1), (wide, back, 0.1))
    for side in (-1, 1):
        room.box("sofa", material, place, (side * (wide - arm), -seat - 0.1, -0.1), (arm, seat + 0.1, deep - 0.1))


def box(room: Room, turn: int, count: int) -> None:
    """A crate on the floor or on something else; crates pile up."""
    dice = room.dice
    half, deep, tall = dice.uniform(0.12, 0.35), dice.uniform(0.12, 0.35), dice.uniform(0.1, 0.35)
    place = room.on_top(max(half, deep)) if dice.chance(0.5) else None
    place = place or room.on_floor(half, deep)
    if place is not None and place.ground - 2 * tall > -room.height:
        material = dice.material(("plain", "stripes", "checker"), border=0.03)
        room.box("box", material, place, (0, -tall, 0), (half, tall, deep))
        room.tops.append(Surface(place._replace(ground=place.ground - 2 * tall), half, deep))


def ball(room: Room, turn: int, count: int) -> None:
    """A ball on the floor or on something else."""
    dice = room.dice
    radius = dice.uniform(0.12, 0.4)
    place = room.on_top(radius) if dice.chance(0.3) else None
    place = place or room.on_floor(radius, radius)
    if place is not None and place.ground - 2 * radius > -room.height:
        room.ball("ball", dice.material(("checker", "stripes", "plain"), spacing=(0.15, 0.5)), place, -radius, radius)


def column(room: Room, turn: int, count: int) -> None:
    """From floor to ceiling, round or square; two rows of them along the room."""
    dice = room.dice
    radius = dice.uniform(0.15, 0.2) * (1 + room.height / 8)
    x = room.width * dice.uniform(0.2, 0.32) * (1 if turn % 2 else -1)
    z = room.length * (turn // 2 + 1) / (count // 2 + 1)
    if not room.reserve(x, z, radius, radius):
        return
    material, tall = dice.material(("plain", "stripes", "gradient")), room.height / 2
    if dice.chance(0.7):
        room.cylinder("column", material, Place(x, z), -tall, radius, tall)
    else:
        room.box("column", material, Place(x, z), (0, -tall, 0), (radius, tall, radius))


def hanging_lamp(room: Room, turn: int, count: int) -> None:
    """A glowing ball or flat cylinder on a cord."""
    dice = room.dice
    place = Place(room.width * dice.uniform(-0.3, 0.3), room.length * dice.uniform(0.35, 0.85))
    radius, cord = dice.uniform(0.1, 0.25), room.height * dice.uniform(0.06, 0.16)
    material = dice.material(("plain",), brightness=(0.6, 0.95), saturation=0.3, glow=0.0 if dice.chance(0.2) else 1.0)
    room.cylinder("lamp", material, place, cord / 2 - room.height, 0.02, cord / 2, marked=False)
    if dice.chance(0.5):
        room.ball("lamp", material, place, cord + radius - room.height, radius)
    else:
        room.cylinder("lamp", material, place, cord + radius / 2 - room.height, radius * 1.3, radius / 2)


def panel_lamp(room: Room, turn: int, count: int) -> None:
    """A flat box under the ceiling; a row of them along the room."""
    dice = room.dice
    z = room.length * (turn + dice.uniform(0.4, 0.6)) / count
    material = dice.material(("plain",), brightness=(0.6, 0.95), saturation=0.2, glow=0.0 if dice.chance(0.2) else 1.0)
    half = (dice.uniform(0.2, 0.5), 0.03, min(dice.uniform(0.3, 0.7), 0.35 * room.length / count))
    room.box("lamp", material, Place(room.width * dice.uniform(-0.1, 0.1), z), (0, 0.03 - room.height, 0), half)


def floor_lamp(room: Room, turn: int, count: int) -> None:
    """A pole with a glowing shade."""
    dice = room.dice
    place = room.on_floor(0.25, 0.25)
    if place is None:
        return
    tall, radius = dice.uniform(0.6, 0.75), dice.uniform(0.15, 0.25)
    material = dice.material(("plain",), brightness=(0.5, 0.95), saturation=0.4, glow=0.0 if dice.chance(0.3) else 0.8)
    room.cylinder("lamp", material, place, -tall, 0.03, tall, marked=False)
    room.cylinder("lamp", material, place, -2 * tall, radius, 0.15)


def alcove(room: Room, turn: int, count: int) -> None:
    """A block of wall in a far corner, which makes the room an L."""
    dice = room.dice
    half_x, half_z = room.width * dice.uniform(0.1, 0.2), room.length * dice.uniform(0.1, 0.2)
    x, z = dice.choice((-1, 1)) * (room.width / 2 - half_x), room.length - half_z
    if room.reserve(x, z, half_x, half_z):
        material = dice.material(("plain", "plain", "gradient"), saturation=0.4, spacing=(0.3, 1.0))
        room.box("wall", material, Place(x, z), (0, -room.height / 2, 0), (half_x, room.height / 2, half_z))
