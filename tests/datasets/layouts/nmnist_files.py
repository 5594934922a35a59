"""N-MNIST's recordings, and the text files of the official TSSL-BP converter in the same folders."""

from pathlib import Path

EVENTS = [(3, 5, 1, 0), (33, 33, 0, 2999), (0, 1, 1, 3000), (3, 5, 1, 100_000)]  # x, y, polarity, microseconds


def packed(*events: tuple[int, int, int, int]) -> bytes:
    """Events in the .bin format, by its definition."""
    numbers = [(x << 32) | (y << 24) | (polarity << 23) | time for x, y, polarity, time in events]
    return b"".join(number.to_bytes(5, "big") for number in numbers)


def write(root: Path, ending: str = "bin", content: bytes = packed(*EVENTS)) -> Path:
    for split, count in (("Train", 2), ("Test", 1)):
        for digit in range(10):
            (root / split / str(digit)).mkdir(parents=True)
            for number in range(count):
                (root / split / str(digit) / f"{number:05d}.{ending}").write_bytes(content)
    return root
