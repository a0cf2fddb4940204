"""Where images come from: each source yields every image once, with its name and label, always in the same order."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
from PIL import Image

from darkroom import images
from darkroom.errors import ImageError, InputError
from darkroom.params import DataParams

MAXIMUM_BYTES = 2**28  # of one file in an archive


@dataclass(frozen=True)
class Member:
    """A file inside an archive. It is read into memory and never extracted, so its path can lead nowhere."""

    archive: zipfile.ZipFile
    name: str

    def read(self) -> bytes:
        """Return the file's bytes."""
        size = self.archive.getinfo(self.name).file_size
        if size > MAXIMUM_BYTES:
            raise ImageError(f"{self.name}: unpacks to {size:,} bytes; at most {MAXIMUM_BYTES:,} are read")
        try:
            # No more than it is said to hold, whatever the packed bytes would give.
            return self.archive.read(self.name)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise ImageError(f"{self.name}: cannot be unpacked ({error})") from None


@dataclass(frozen=True)
class Sample:
    """One labelled image as its source holds it."""

    name: str
    """Unique within the source; for a folder or an archive the path below it, with forward slashes."""
    label: str
    place: Path | Member | images.Pixels
    """The file, the part of an archive, or the pixels themselves."""

    def content(self) -> bytes | images.Pixels:
        """Read the image: a file's bytes, or uint8 pixels."""
        if isinstance(self.place, Member):
            return self.place.read()
        if not isinstance(self.place, Path):
            return self.place
        try:
            return self.place.read_bytes()
        except OSError as error:
            raise ImageError(f"{self.place}: cannot be read ({error.strerror})") from None


def content_hash(content: bytes | images.Pixels) -> str:
    """Return the SHA-256 of a file's bytes, or of pixels together with their shape.

    It is taken over bytes as they are stored, not over decoded pixels: a newer decoder must not move an image to
    another split.
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(repr(content.shape).encode() + np.ascontiguousarray(content).tobytes()).hexdigest()


def open_image(name: str, content: bytes | images.Pixels) -> Image.Image:
    """Decode what a sample holds.

    Raises:
        ImageError: it cannot be decoded; the text names the image.
    """
    try:
        return images.decode(content) if isinstance(content, bytes) else images.from_array(content)
    except ImageError as error:
        raise ImageError(f"{name}: {error}; replace or remove it") from None


def samples(data: DataParams) -> list[Sample]:
    """List all images of the source that params.yaml names.

    Raises:
        InputError: the place is missing, empty, or holds no classes.
    """
    root = Path(data.path)
    if not root.exists():
        raise InputError(f"data.path: {data.path} does not exist; set it in params.yaml to the folder of your images")
    found = list({"digits": lambda _: _digits(), "folder": _folder, "archive": _archive}[data.source](root))
    labels = {sample.label for sample in found}
    if len(labels) < 2:  # noqa: PLR2004 - one class is nothing to tell apart
        what = f"only the class {labels.pop()!r}" if labels else "no image"
        raise InputError(
            f"data.path: {data.path} holds {what}; at least two folders of images were expected, "
            f"one for each class ({data.path}/<class>/<image>)"
        )
    return found


def _digits() -> Iterator[Sample]:
    """1,797 handwritten digits, scanned at 8×8 with 17 grey values (UCI ML repository, E. Alpaydin, C. Kaynak)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        yield Sample(f"{index:04d}", str(label), image)


def _folder(root: Path) -> Iterator[Sample]:
    """Images below ``<root>/<class>/``, at any depth; hidden files and files with other endings are not images."""
    if not root.is_dir():
        raise InputError(f"data.path: {root} is not a folder; give the folder that holds one folder for each class")
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for path in sorted(folder.rglob("*")):
            place = path.relative_to(root)
            if _is_image(place) and not _is_hidden(place) and path.is_file():
                yield Sample(path.relative_to(root).as_posix(), folder.name, path)


def _archive(path: Path) -> Iterator[Sample]:
    """Images below ``<class>/`` in a zip file; folders that all of them are in are no classes."""
    if not zipfile.is_zipfile(path):
        raise InputError(f"data.path: {path} is not a zip file; give one that holds one folder for each class")
    archive = zipfile.ZipFile(path)
    for place, name in sorted((place, name) for name, place in _places(archive).items() if _is_image(place)):
        yield Sample(place.as_posix(), place.parts[0], Member(archive, name))


def _places(archive: zipfile.ZipFile) -> dict[str, PurePosixPath]:
    """Return the files of an archive, each with its path below the folders that all images share."""
    files = {info.filename: PurePosixPath(info.filename) for info in archive.infolist() if not info.is_dir()}
    shown = {name: path for name, path in files.items() if not _is_hidden(path)}
    parents = [path.parts[:-2] for path in shown.values() if path.suffix.lower() in images.ENDINGS]
    apart = (depth for depth, names in enumerate(zip(*parents, strict=False)) if len(set(names)) > 1)
    shared = next(apart, min(map(len, parents), default=0))
    return {name: PurePosixPath(*path.parts[shared:]) for name, path in shown.items()}


def _is_hidden(path: PurePath) -> bool:
    """Say whether a path below the source is hidden; macOS puts its own notes into archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _is_image(path: PurePath) -> bool:
    """Say whether a path below the source is that of an image in the folder of a class."""
    return path.suffix.lower() in images.ENDINGS and len(path.parts) > 1


def left_out(data: DataParams) -> list[str]:
    """Name the files below a class folder that are not taken for images, so that nothing vanishes silently."""
    root = Path(data.path)
    if data.source == "archive":
        with zipfile.ZipFile(root) as archive:
            return sorted(place.as_posix() for place in _places(archive).values() if not _is_image(place))
    if data.source != "folder":
        return []
    taken = {sample.name for sample in _folder(root)}
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(file.as_posix() for file in files if file.as_posix() not in taken and not _is_hidden(file))
