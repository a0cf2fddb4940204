"""Draw the data: a page of their classes, of what was left out and of near-duplicates, and a map of the images."""

from pathlib import Path

import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.files import read_record, write_text
from darkroom.data.formats import manifest
from darkroom.data.prepared.described import Described
from darkroom.overview import data_page, map_page, odd
from darkroom.overview.pictures import Pictures
from darkroom.params import Params

SEED = 0


def main(params: Params, ingested: str, divided: str, described: str, reports: str) -> None:
    """Write both pages; test images appear in near-duplicate pairs alone.

    Args:
        params: params.yaml.
        ingested: folder of the ingested images and their manifest.
        divided: the manifest with splits.
        described: folder of the features of training and validation images.
        reports: folder with quarantine.csv, near_duplicates.csv, validation.json, label_audit.csv, and of both pages.
    """
    rows = manifest.read(divided)
    features = Described(Path(described))
    of_name = pd.Series(rows.index, index=rows["name"])
    images = features.images().assign(picture=lambda table: table["name"].map(of_name))
    audited = spreadsheets.read(Path(reports) / "label_audit.csv").drop_duplicates("name").set_index("name")["kind"]
    images["audit"] = images["name"].map(audited).fillna("nothing found")
    known = data_page.Found(
        ingested=manifest.read(f"{ingested}/manifest.parquet"),
        divided=rows,
        quarantine=manifest.read_quarantine(f"{reports}/quarantine.csv"),
        pairs=spreadsheets.read(Path(reports) / "near_duplicates.csv"),
        checks=read_record(Path(reports) / "validation.json"),
        odd=images.iloc[odd.most_odd(features.features(), data_page.ODD, SEED)],
    )
    with Pictures(Path(ingested) / "images.npy") as pictures:
        write_text(
            f"{reports}/data.html", data_page.page(known, pictures, f"Data of {params.promote.registered_model}")
        )
        write_text(f"{reports}/map.html", map_page.page(features, images, pictures, SEED))
    print(f"the data in pictures: {reports}/data.html; a map of the images: {reports}/map.html")
