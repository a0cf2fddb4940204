"""Read and write text and JSON files in UTF-8, creating missing folders; read files from outside up to a limit."""

import errno
import hashlib
import itertools
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO

from darkroom.base.errors import InputError

CACHED = re.compile(r"[/\\]files[/\\]md5[/\\][0-9a-f]{2}[/\\][0-9a-f]{30}$")
"""Paths of files in DVC's cache."""
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What a path can be instead of a file."""


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file; links are followed. Never waits for a named pipe or a device.

    Raises:
        OSError: it does not exist, cannot be opened, or is not a regular file.
    """
    _require_regular(Path(path).stat().st_mode)  # first, as opening a device can have effects
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    try:
        _require_regular(os.fstat(file.fileno()).st_mode)
    except OSError:
        file.close()
        raise
    return file


def is_there(path: str | Path) -> bool:
    """Return whether a file exists that may be missing, and whose absence has a meaning of its own.

    Raises:
        InputError: something else is there, such as a folder, a pipe or a link to a disk that is not mounted, or nobody
            can tell.
    """
    path = Path(path)
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); make its folder readable") from None
    try:
        _require_regular(path.stat().st_mode)
    except OSError as error:
        broken = isinstance(error, FileNotFoundError)
        reason = f"it is a link to {path.readlink()}, which is not there" if broken else error.strerror
        raise InputError(
            f"{path} cannot be read ({reason}); restore the file, or remove this if there is none"
        ) from None
    return True


def read_limited(path: str | Path, most: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        most: maximum size in bytes.

    Raises:
        OSError: see ``open_regular``; or the file is larger than ``most`` or than its size, as files in ``/proc`` are.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes; at most {most:,} are accepted")
        content = file.read(size + 1) or b""
    if len(content) > size:
        raise OSError(errno.EINVAL, "it holds more than its size; it is still being written, or made by the system")
    return content


def disk_bytes(path: str | Path) -> int:
    """Return the bytes that a file occupies on disk: less than its size if it has holes."""
    status = Path(path).stat()
    # Some file systems state no blocks at all.
    return min(status.st_size, getattr(status, "st_blocks", 0) * 512 or status.st_size)


def leads_out(link: str | Path, folder: str) -> bool:
    """Return whether a link leads out of a folder.

    Args:
        link: a path in the folder; what is no link leads nowhere.
        folder: the folder's real path.
    """
    if not Path(link).is_symlink():
        return False
    target = os.path.realpath(link)
    # DVC can replace data by links to its cache (cache.type symlink).
    return not (target + os.sep).startswith(folder.rstrip(os.sep) + os.sep) and CACHED.search(target) is None


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        what = KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"it is {what}; a file was expected")


def write_text(path: str | Path, text: str) -> None:
    """Write a text file and create its folder if needed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Replace a text file atomically, so that an interrupted write leaves the old content."""
    temporary = path.with_name(f".{path.name}.tmp")
    write_text(temporary, text)
    temporary.replace(path)


def files_below(folder: Path) -> list[Path]:
    """List the files in a folder and in the folders below it, sorted; links to folders are not followed.

    Raises:
        InputError: a folder cannot be listed, so that files might be missed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be listed ({error.strerror}); make it readable, or move it away")

    return sorted(Path(parent, name) for parent, _, names in os.walk(folder, onerror=refuse) for name in names)


def set_aside(path: Path) -> Path:
    """Give a damaged file another name, so that it does not fail every later run; return it."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in itertools.count())
    other = next(name for name in names if not name.exists())
    return path.rename(other)


def file_digest(path: Path) -> str:
    """Return the first 16 hexadecimal digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def as_json(value: Any) -> str:
    """Format a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON."""
    write_text(path, as_json(value))


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is not valid JSON.
    """
    return parse_json(_content(path), str(path))


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        InputError: the file is not valid JSON, or holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise other_form(str(path), f"{type(content).__name__} instead of an object")
    return content


def other_form(name: str, what: str) -> InputError:
    """Return the error for a file of Darkroom's that has another form than it writes."""
    return InputError(
        f"{name} does not have the form that Darkroom writes ({what}), perhaps after a merge; restore it (git checkout "
        f"HEAD -- {name}), or recreate it with dvc repro"
    )


def write_record(path: str | Path, values: Any) -> None:
    """Write a stage's result as a JSON list with one element.

    Such files are metrics for DVC, so that they are in git and in its run cache. It shows each number and text of a
    metrics file as a column of ``dvc exp show``, but nothing of a list.
    """
    write_json(path, [values])


def read_record(path: str | Path) -> dict[str, Any]:
    """Read a file written by ``write_record``, or by earlier versions of Darkroom, without the list.

    Raises:
        InputError: the file is not valid JSON.
    """
    return parse_record(_content(path), str(path))


def _content(path: str | Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); restore it (git checkout HEAD -- {path}), or recreate it with "
            "dvc repro"
        ) from None


def parse_record(text: str | bytes, name: str) -> dict[str, Any]:
    """Parse what ``read_record`` reads; see ``parse_json``."""
    content = parse_json(text, name)
    record = content[0] if isinstance(content, list) and content else content
    if not isinstance(record, dict):
        raise other_form(name, f"{type(record).__name__} instead of an object")
    return record


def parse_json(text: str | bytes, name: str) -> Any:
    """Parse JSON.

    Args:
        text: the JSON text.
        name: the file that it comes from, for the error message.

    Raises:
        InputError: the text is not valid JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{name} is not valid JSON ({error}), perhaps after a merge conflict or an interrupted write; restore it "
            f"with git checkout HEAD -- {name}, or recreate it with dvc repro"
        ) from None
