"""Correlate coarse views of pairs at all small shifts.

Phase correlation: C. Kuglin, D. Hines, The phase correlation image alignment method, 1975.
"""

import numpy as np
import numpy.typing as npt
import scipy.fft

from darkroom.base.types import Floats, Pixels
from darkroom.data.splitting.candidates import VIEWS, Candidates
from darkroom.data.splitting.descriptions import BLOCK, SIDE, WHOLE, View, in_threads, portions

Spectra = npt.NDArray[np.complex64]
COARSE = SIDE // 2  # pixels of a coarse view
KEPT = 6  # frequencies per axis: 0 to 5
LARGEST_SHIFT = 5  # pixels of the coarse view


class Phases:
    """Spectra of all images, about 0.5 kB each, to correlate pairs by phase."""

    def __init__(self, thumbnails: Pixels) -> None:
        self._thumbnails = thumbnails
        nothing = np.zeros(1, bool)
        self._whole = np.concatenate(
            in_threads(
                lambda portion: _spectra(thumbnails[portion], WHOLE, nothing),
                portions(len(thumbnails)),
                desc="transforming",
                unit=" portions",
            )
        )

    def correlations(self, candidates: Candidates) -> tuple[Floats, Floats]:
        """Return the phase correlation of each candidate, at the best shift, and the map that aligns it.

        Returns:
            Correlations, float32 of shape (pairs,); and affine maps from positions (right, down; -1 to 1) in the second
            image to those in the first, float32 of shape (pairs, 2, 3).
        """
        heights = np.empty(len(candidates.first), np.float32)
        maps = np.empty((len(candidates.first), 2, 3), np.float32)
        by_view = np.argsort(candidates.view, kind="stable")
        ends = np.cumsum(np.bincount(candidates.view, minlength=len(VIEWS)))
        parts = [
            (number, rows[start : start + BLOCK])
            for number, rows in enumerate(np.split(by_view, ends[:-1]))
            for start in range(0, len(rows), BLOCK)
        ]

        def correlated(part: tuple[int, npt.NDArray[np.intp]]) -> None:
            number, rows = part
            heights[rows], maps[rows] = self._correlated(VIEWS[number], candidates.at(rows))

        in_threads(correlated, parts, desc="correlating", unit=" portions")
        return heights, maps

    def _correlated(self, view: View, pairs: Candidates) -> tuple[Floats, Floats]:
        mirrored = pairs.mirrored > 0
        view = view.clipped()  # shifts are found here
        if view == WHOLE and not mirrored.any():
            seen = self._whole[pairs.first]
        else:
            seen = _spectra(self._thumbnails[pairs.first], view, mirrored)
        product = np.zeros((len(mirrored), COARSE, KEPT), np.complex64)
        product[:, _ROWS] = self._whole[pairs.second].conj() * seen
        correlation = scipy.fft.irfft(scipy.fft.ifft(product, axis=1), n=COARSE, axis=2)
        correlation = correlation[:, _REACH][:, :, _REACH].reshape(len(mirrored), -1)
        down, right = np.divmod(correlation.argmax(axis=1), len(_REACH))
        shift = (np.stack([right, down], axis=1) - LARGEST_SHIFT) * np.float32(2 / COARSE)
        maps = np.repeat(view.transform()[None], len(mirrored), axis=0)
        maps[mirrored, :, 0] *= -1
        maps[:, :, 2] += np.einsum("prc,pc->pr", maps[:, :, :2], shift)
        return correlation.max(axis=1), maps


def _spectra(thumbnails: Pixels, view: View, mirrored: npt.NDArray[np.bool_]) -> Spectra:
    """Return spectra of views, in part mirrored, of shape (images, 2 * KEPT - 1, KEPT)."""
    coarse = _reduction(view.top, view.side) @ thumbnails.astype(np.float32) @ _reduction(view.left, view.side).T
    coarse = np.rot90(coarse, view.turns, axes=(1, 2))
    coarse = np.where(mirrored[:, None, None], coarse[:, :, ::-1], coarse)
    faded = (coarse - coarse.mean(axis=(1, 2), keepdims=True)) * _FADING[:, None] * _FADING
    spectra = (scipy.fft.rfft2(faded)[:, _ROWS, :KEPT] * _BAND).astype(np.complex64)
    # Between plain correlation, dominated by the strongest frequency, and pure phase, which amplifies noise.
    spectra /= np.sqrt(np.abs(spectra) + np.float32(1e-6))
    power = (np.abs(spectra) ** 2 * _TWICE).sum(axis=(1, 2), keepdims=True)
    spectra *= COARSE / (np.sqrt(power) + np.float32(1e-6))
    return np.asarray(spectra, np.complex64)


def _reduction(start: float, side: float) -> Floats:
    """Return the matrix that reduces a window of a thumbnail to ``COARSE`` pixels, by area."""
    edges = np.clip(start + np.linspace(0, side, COARSE + 1), 0, SIDE)
    pixel = np.arange(SIDE)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(np.maximum(overlap, 0) * (COARSE / side), dtype=np.float32)


_REACH = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
_ROWS = np.r_[0:KEPT, 1 - KEPT : 0]  # vertical frequencies; horizontal ones are 0 to KEPT - 1
_SPECTRUM = np.hypot(_ROWS[:, None], np.arange(KEPT)).astype(np.float32) / COARSE
# Middle frequencies, which recompression and rescaling preserve.
_BAND = _SPECTRUM * np.exp(-12.5 * _SPECTRUM**2)
_TWICE = np.where(np.arange(KEPT) > 0, 2, 1)  # horizontal frequencies represent their negative counterparts too
# Fade towards the borders, where shifted pictures differ.
_FADING = (1 - 0.7 * ((np.arange(COARSE) - (COARSE - 1) / 2) / (COARSE / 2)) ** 4).astype(np.float32)
