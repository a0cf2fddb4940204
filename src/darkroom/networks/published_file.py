"""Weights that Keras publishes: the file in Keras' own cache, downloaded once, accepted with the known digest only."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from darkroom.base.errors import InputError

TIMEOUT = 20
"""Seconds without an answer after which a download fails."""
CHUNK = 2**20
MD5_DIGITS = 32


def cache_folder() -> Path:
    """Return the folder in which Keras keeps weights."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


@dataclass(frozen=True)
class PublishedFile:
    """A file of weights."""

    url: str
    digest: str
    """In hexadecimal, as Keras states it: MD5 (32 digits) or SHA-256 (64)."""

    @property
    def path(self) -> Path:
        """The file's place in Keras' cache."""
        return cache_folder() / self.url.rpartition("/")[2]

    @property
    def algorithm(self) -> str:
        """Name of the digest's algorithm."""
        return "MD5" if len(self.digest) == MD5_DIGITS else "SHA-256"

    def find(self) -> Path:
        """Return the file's path; download the file if it is missing.

        Raises:
            InputError: the download fails, or the file is damaged or another one.
        """
        if not self.path.is_file():
            self._download()
        try:
            found = self._digest(self.path)
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}; make it readable, or delete it") from None
        if found != self.digest:
            raise InputError(
                f"{self.path} is damaged or has the weights of another network: its {self.algorithm} is {found}, "
                f"expected {self.digest}; delete it, and get {self.url}"
            )
        return self.path

    def _digest(self, path: Path) -> str:
        name = self.algorithm.replace("-", "").lower()
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()

    def _download(self) -> None:
        """Write the file; one that is interrupted or damaged leaves nothing behind."""
        # Not for every check of params.yaml, which imports this module.
        import http.client
        import urllib.request

        temporary = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with (
                urllib.request.urlopen(self.url, timeout=TIMEOUT) as answer,  # noqa: S310 - https, from the source code
                tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".part", delete=False) as file,
            ):
                temporary = Path(file.name)
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
            found = self._digest(temporary)
            reason = "" if found == self.digest else f"{self.algorithm} of what was sent is {found}"
            if not reason:
                temporary.replace(self.path)
        except (OSError, http.client.HTTPException) as error:
            reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
        if reason:
            raise InputError(
                f"{self.url} cannot be downloaded ({reason}); connect, or put the file ({self.algorithm} "
                f"{self.digest}) into {self.path.parent}"
            )
