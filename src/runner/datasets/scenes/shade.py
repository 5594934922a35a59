"""The colour of what is seen: patterned diffuse surfaces under point lights, then the camera's exposure and noise.

Sizes as in raycast: B scenes, R bundles of P rays.
"""

from collections.abc import Sequence

import numpy as np

from runner.datasets.scenes.dice import PATTERNS
from runner.datasets.scenes.layout import Scene
from runner.datasets.scenes.raycast import Floats
from runner.datasets.scenes.table import MaterialColumns as Columns
from runner.datasets.scenes.table import Table
from runner.datasets.scenes.view import Hits, Rays, at, lit

_CIRCLE = np.float32(2 * np.pi)


def radiance(rays: Rays, hits: Hits, table: Table, scenes: Sequence[Scene], spread: float) -> Floats:
    """Light (3, R, P) that reaches the camera along each ray.

    Lambert's law with an ambient term that is stronger on what looks up, and lights that halve at their reach; only the
    first casts shadows. `spread` is the width of a sample at depth 1, in metres: patterns finer than that fade to their mean.
    """
    material = at(table.material, rays.scene, hits.row)
    reflectance = _reflectance(hits, material, _footprint(rays, hits, spread))
    ambient = np.array([scene.look.ambient for scene in scenes], np.float32)[rays.scene, None]
    strength = ambient * (1 - np.float32(0.25) * hits.normal[1])
    total = np.stack([strength] * 3)
    for number in range(2):
        lights = [scene.lights[number] for scene in scenes]
        position, colour = (np.array([light[i] for light in lights], np.float32).T[:, rays.scene] for i in range(2))
        reach = np.array([light.reach for light in lights], np.float32)[rays.scene, None]
        away = position[..., None] - (rays.origin[..., None] + hits.t * rays.direction)
        square = (away * away).sum(0)
        facing = np.maximum((away * hits.normal).sum(0), 0) / np.sqrt(square)
        received = 2 * facing / (1 + square / (reach * reach))
        if number == 0:
            received *= lit(rays, hits, position, table)
        total += colour[..., None] * received
    return reflectance * (total + material[Columns.GLOW])


def _footprint(rays: Rays, hits: Hits, spread: float) -> Floats:
    """Metres (R, P) of surface that one sample covers, along the surface's steepest direction."""
    length = np.sqrt((rays.direction * rays.direction).sum(0))
    cosine = np.abs((rays.direction * hits.normal).sum(0)) / length
    return spread * hits.t / np.maximum(cosine, np.float32(0.05))


def _reflectance(hits: Hits, material: Floats, footprint: Floats) -> Floats:
    """Share (3, R, P) of each colour that the surface throws back: its two colours mixed by its pattern and its border."""
    metres = hits.own * hits.half
    frequency, pattern = material[Columns.FREQUENCY], material[Columns.PATTERN]
    cycles = metres * frequency * (1 - hits.flat) + material[Columns.PHASE]
    fade = np.clip(np.float32(1.5) - 3 * frequency.max(0) * footprint, 0, 1)
    wave = _pattern(cycles * _CIRCLE, pattern) * fade
    wave = np.where(pattern == PATTERNS.index("gradient"), hits.own[1], wave)
    share = np.clip(wave * material[Columns.SHARPNESS], -1, 1) * np.float32(0.5) + np.float32(0.5)
    share *= pattern != PATTERNS.index("plain")
    inset = (hits.half * (1 - np.abs(hits.own)) + 1e6 * hits.flat).min(0)
    share = np.where(inset < material[Columns.BORDER], np.float32(1), share)
    first = material[Columns.COLOUR]
    return first + share * (material[Columns.SECOND] - first)


def _pattern(angle: Floats, pattern: Floats) -> Floats:
    """Stripes, checker and noise in [-1, 1] at angles (3, R, P) along the axes."""
    cosine = np.cos(angle)
    checker = cosine[0] * cosine[1] * cosine[2]
    stripes = np.cos(angle.sum(0))
    noise = np.cos(angle + 2 * cosine[[1, 2, 0]]).mean(0)
    return np.where(
        pattern == PATTERNS.index("checker"), checker, np.where(pattern == PATTERNS.index("stripes"), stripes, noise)
    )


def expose(light: Floats, scenes: Sequence[Scene], noise: Floats) -> np.ndarray:
    """Images (B, 3, H, W) uint8 of `light` (3, B, H, W): gains, a soft shoulder, gamma 2 and `noise` (B, 3, H, W)."""
    looks = [scene.look for scene in scenes]
    gain = np.array([np.multiply(look.balance, look.exposure) for look in looks], np.float32)
    sigma = np.array([look.noise for look in looks], np.float32)
    image = np.sqrt(1 - np.exp(-light.transpose(1, 0, 2, 3) * gain[..., None, None]))
    return np.rint(np.clip(image + sigma[:, None, None, None] * noise, 0, 1) * 255).astype(np.uint8)
