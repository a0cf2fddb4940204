"""Write the front page: data, networks, decision, and what to do next."""

from pathlib import Path

from darkroom.base import spreadsheets
from darkroom.base.files import write_text
from darkroom.data.formats import manifest
from darkroom.overview import front_page
from darkroom.overview.front_page import Project, Trained
from darkroom.overview.pictures import Pictures
from darkroom.params import Params
from darkroom.promotion.published import Promotion

MORE = {
    "data_docs/index.html": "What Great Expectations checked (its pages need the internet)",
    "augmentation/": "Augmented training images, as each network sees them",
}
"""Pages of other stages, by their path below the folder of reports."""


def main(params: Params, ingested: str, divided: str, runs: str, found: str, page: str) -> None:
    """Write the page.

    Args:
        params: params.yaml.
        ingested: the ingested images.
        divided: the manifest with splits.
        runs: folder with the results of each network.
        found: folder with quarantine.csv, near_duplicates.csv and promotion.json.
        page: where the page is written.
    """
    project = Project(
        title=params.promote.registered_model,
        divided=manifest.read(divided),
        quarantine=manifest.read_quarantine(f"{found}/quarantine.csv"),
        pairs=spreadsheets.read(Path(found) / "near_duplicates.csv"),
        trained=[Trained.read(network, Path(runs) / network) for network in params.models],
        decided=Promotion.read(Path(found) / "promotion.json"),
    )
    with Pictures(Path(ingested)) as pictures:
        write_text(page, front_page.page(project, pictures, MORE))
    print(f"the results: {page}")
