"""Files from servers that break off, ignore what they are asked, or send something else.

What has arrived stays beside the file as `.NAME.part` and is gone on with, in this start or a later one, where the server can
send the rest (Range); where it cannot, it begins anew. Whether it is the right file is decided by its sum, through pooch, and by
the length that the server named. Mirrors are tried in order.
"""

import http.client
import logging
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.data.catalogue import File
from runner.errors import ConfigurationError, DataError

_BLOCK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte
_PATIENCE = 4  # tries in a row that bring nothing
_WAIT = 0.5  # seconds before the second try, twice as many before each further one
_SAID = 10.0  # seconds between two lines of progress
_log = logging.getLogger(__name__)


def fetch(file: File, places: Sequence[str], folder: Path) -> Path:
    """`file` in `folder`, from the first of `places` that gives the right one; one that is there and right is left alone.

    Raises `DataError` naming every address with what was wrong there.
    """
    pooch = _pooch()
    target = folder / file.name
    if target.exists() and (file.md5 is None or pooch.file_hash(str(target), alg="md5") == file.md5):
        _log.info("%s is there", target)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    troubles = []
    for place in places:
        address = _address(place, file.name)
        try:
            return _fetch(pooch, file, address, folder)
        except (OSError, ValueError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.filename is not None:  # of this disk, not of the server
                raise
            troubles.append(f"{address}: {_reason(error)}")
            _log.warning("%s", troubles[-1])
    raise DataError(
        f"{file.name} could not be fetched:\n  "
        + "\n  ".join(troubles)
        + f"\nput it into {folder} by hand, or name another "
        "place: --source ADDRESS"
    )


def _pooch() -> Any:
    try:
        import pooch
    except ModuleNotFoundError:
        raise ConfigurationError('fetching needs pooch, which is not installed; pip install "runner[data]"') from None
    pooch.get_logger().setLevel(logging.ERROR)  # what it says is said here
    return pooch


def _address(place: str, name: str) -> str:
    """Where a file lies: a place that ends in its name already is the file's own address."""
    return place if urllib.parse.urlsplit(place).path.endswith(name) else place.rstrip("/") + "/" + name


def _fetch(pooch: Any, file: File, address: str, folder: Path) -> Path:
    known = None if file.md5 is None else f"md5:{file.md5}"
    part = folder / f".{file.name}.part"
    resumed = part.exists()
    download = Download(part)
    while True:
        try:
            pooch.retrieve(address, known, fname=file.name, path=folder, downloader=download)
            return folder / file.name
        except ValueError:  # pooch's word for another sum
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            resumed = False  # the part may have been of another file


class Download:
    """What pooch calls to fetch one address into a file; `part` keeps what has arrived."""

    def __init__(self, part: Path) -> None:
        self._part = part
        self._said = time.monotonic()

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Fetch `url` whole; raises `OSError` or `HTTPException` where it cannot be had."""
        idle, most = 0, self._arrived()
        while True:
            try:
                if self._go_on(url):
                    break
                trouble: Exception = ConnectionError("the connection was closed before all had come")
            except urllib.error.HTTPError as error:
                if error.code < 500 and error.code not in (408, 429):
                    raise OSError(f"HTTP {error.code} {error.reason}") from None
                trouble = OSError(f"HTTP {error.code} {error.reason}")
            except (OSError, http.client.HTTPException) as error:
                trouble = error
            idle, most = (0, self._arrived()) if self._arrived() > most else (idle + 1, most)
            if idle >= _PATIENCE:
                raise ConnectionError(
                    f"{_reason(trouble)}; {self._arrived()} bytes have come, the same command goes on"
                ) from None
            time.sleep(_WAIT * 2**idle)
        shutil.move(self._part, output_file)

    def _arrived(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _go_on(self, url: str) -> bool:
        """Ask for what is missing and take in what comes; whether that is all."""
        arrived = self._arrived()
        asked = urllib.request.Request(url, headers={"Range": f"bytes={arrived}-"} if arrived else {})
        try:
            answer = urllib.request.urlopen(asked, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not arrived:
                raise
            if error.headers.get("Content-Range") == f"bytes */{arrived}":  # nothing is missing
                return True
            self._part.unlink()  # longer than the file there: of another one
            return False
        with answer:
            start, whole = _extent(answer, arrived)
            with self._part.open("r+b" if start else "wb") as part:
                part.seek(start)
                part.truncate()
                while block := answer.read(_BLOCK):
                    part.write(block)
                    self._say(part.tell(), whole)
        return whole is None or self._arrived() == whole

    def _say(self, arrived: int, whole: int | None) -> None:
        if time.monotonic() - self._said > _SAID:
            self._said = time.monotonic()
            share = f" of {whole / 1e6:.0f}" if whole else ""
            _log.info("%s: %.0f%s MB", self._part.name.removeprefix(".").removesuffix(".part"), arrived / 1e6, share)


def _extent(answer: Any, arrived: int) -> tuple[int, int | None]:
    """At which byte an answer begins, and how long the whole file is if the server says it."""
    length = answer.headers.get("Content-Length")
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:  # Range was not understood: all of it comes
        return 0, int(length) if length is not None and length.isdecimal() else None
    span, _, whole = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    begin = span.partition("-")[0]
    if begin != str(arrived):
        raise ConnectionError(f"asked for bytes from {arrived}, the server sends {span or 'others'}")
    return arrived, int(whole) if whole.isdecimal() else None


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError):
        return "another sum (MD5) than the published one: a broken file, another version, or a page in its place"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(reason).__name__
