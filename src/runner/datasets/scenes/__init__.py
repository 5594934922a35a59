"""Procedural indoor scenes with exact ground truth: what stands in a room, what a camera sees of it, and its labels."""

CATEGORIES = (
    "floor",
    "wall",
    "ceiling",
    "window",
    "door",
    "picture",
    "table",
    "shelf",
    "sofa",
    "box",
    "ball",
    "column",
    "lamp",
)
