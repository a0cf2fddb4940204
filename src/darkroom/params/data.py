"""The sections ``data`` and ``validate``."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.params.price_charts import PriceChartsParams
from darkroom.params.section import Count, Fraction, Name, Section


class DataParams(Section):
    """The source of the images."""

    source: Literal["digits", "folder", "archive", "table", "parquet", "keras", "price_charts"]
    path: Name
    """The folder or file with the images; for ``digits`` and ``keras``, the data set's documentation page."""
    layout: Literal["auto", "class", "split/class", "class/split"] = "auto"
    """For ``folder`` and ``archive``: what the folders stand for, if their names leave it open. For ``parquet``
    and several tables, ``class`` ignores names of splits."""
    name_encoding: Name | None = None
    """For ``archive``: encoding of names that are not UTF-8, such as cp437, cp1252, cp932 or gbk."""
    follow_links: bool = False
    """For ``folder``, ``parquet`` and ``table``: read files outside of ``path``, which links or a table's paths lead
    to. DVC's own links count as data."""
    image_column: Name = "image"
    """For ``table``: image paths; for ``parquet``: encoded images."""
    label_column: Name = "label"
    group_column: Name | None = None
    """For ``table`` and ``parquet``: images with the same value, such as a patient, stay in one split."""
    split_column: Name | None = None
    """For ``table``: train, validation or test, if the splits are predefined."""
    price_charts: PriceChartsParams | None = None
    """How charts are drawn and labelled; required by ``price_charts``, not allowed for other sources."""


class ValidateParams(Section):
    """Rules that the images must satisfy before training."""

    labels: tuple[Name, ...] | None = None
    """The exact set of class names; null accepts any."""
    minimum_images_per_class: Count = 20
    maximum_class_ratio: Annotated[float, Field(ge=1)] = 20.0
    """Size of the largest class divided by that of the smallest."""
    maximum_duplicate_share: Fraction = 0.05
    maximum_quarantine_share: Fraction = 0.05
    """Largest share of the source's files that may be quarantined, that is left out and listed as unusable."""
    modes: tuple[Name, ...] = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16")
    """Accepted pixel formats, by Pillow's mode names."""
    minimum_side: Count = 4
    maximum_side: Count = 20_000
    minimum_contrast: Annotated[float, Field(ge=0)] = 1.0
    """Smallest standard deviation of an image's grey values (0 to 255); a blank image has 0."""
