"""Write the front page: data, networks, decision, and what to do next."""

from pathlib import Path

from darkroom.base import spreadsheets
from darkroom.base.files import read_json, write_text
from darkroom.data.formats import manifest
from darkroom.overview import front_page
from darkroom.overview.front_page import Project, Trained
from darkroom.overview.pictures import Pictures
from darkroom.params import Params
from darkroom.promotion.published import Promotion

MORE = {
    "data_docs/index.html": "What Great Expectations checked (its pages load styles from the internet)",
    "augmentation/": "Augmented training images, as each network sees them",
}
"""Pages of other stages, by their path below the folder of reports."""


def main(params: Params, ingested: str, divided: str, runs: str, reports: str) -> None:
    """Write the page.

    Args:
        params: params.yaml.
        ingested: the ingested images.
        divided: the manifest with splits.
        runs: folder with the results of each network.
        reports: folder with quarantine.csv, near_duplicates.csv, label_audit.json and promotion.json, and of the page.
    """
    project = Project(
        title=params.promote.registered_model,
        divided=manifest.read(divided),
        quarantine=manifest.read_quarantine(f"{reports}/quarantine.csv"),
        pairs=spreadsheets.read(Path(reports) / "near_duplicates.csv"),
        audit=read_json(Path(reports) / "label_audit.json"),
        trained=[Trained.read(network, Path(runs) / network) for network in params.models],
        decided=Promotion.read(Path(reports) / "promotion.json"),
    )
    with Pictures(Path(ingested)) as pictures:
        write_text(f"{reports}/index.html", front_page.page(project, pictures, MORE))
    print(f"the results: {reports}/index.html")
