"""Data over many generations: whatever comes, goes or is exported again, no picture becomes a training picture."""

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from sklearn.datasets import load_digits, load_sample_images

import pipeline.split
from darkroom.base.errors import InputError
from darkroom.data.formats import families, manifest
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.ingestion.ingest import ingest
from darkroom.params import DataParams, PreprocessParams, read_params
from support.pictures import find
from support.projects import ROOT

SIDE = 48
LABELS = ("a", "b", "c")
PARAMS = read_params(ROOT / "params.yaml").model_copy(update={"preprocess": PreprocessParams(size=(32, 32, 3))})


def tiles():
    """Different parts of photographs, those with most detail first."""
    cut = [
        photograph[top : top + SIDE, left : left + SIDE]
        for photograph in load_sample_images().images
        for top in range(0, photograph.shape[0] - SIDE, SIDE)
        for left in range(0, photograph.shape[1] - SIDE, SIDE)
    ]
    return sorted(cut, key=lambda tile: np.abs(np.diff(tile.mean(axis=2), axis=0)).mean(), reverse=True)


TILES = [Image.fromarray(tile) for tile in tiles()[:90]]
"""Those with enough detail to be recognised after a lossy export; some of the next ones are not."""


def commented():
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "exported again")
    return {"pnginfo": text}


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif}


LOSSLESS = [
    ("png", dict),
    ("png", lambda: {"optimize": True}),
    ("png", commented),
    ("webp", lambda: {"lossless": True}),
    ("bmp", dict),
    ("png", turned),
]
JPEG = ("jpg", lambda: {"quality": 95})


class Album:
    """A folder of images, and the stages that split it."""

    def __init__(self, root, seed):
        self.root, self.random = root, np.random.default_rng(seed)
        self.files = {}
        """Path by number of the tile."""
        self.unused = list(range(len(TILES)))
        self.held_out = {}
        """The splits that each tile ever had."""

    def add(self, count):
        for _ in range(count):
            number = self.unused.pop(0)
            path = self.root / "raw" / self.random.choice(LABELS) / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            TILES[number].save(path)
            self.files[number] = path

    def some(self, share):
        return self.random.choice(sorted(self.files), int(share * len(self.files)), replace=False).tolist()

    def remove(self, share):
        for number in self.some(share):
            self.files.pop(number).unlink()
            self.unused.append(number)

    def move(self, share, label=None):
        """Rename, or give another label."""
        for number in self.some(share):
            path = self.files[number]
            folder = path.parent if label is None else self.root / "raw" / label
            name = f"{number:03d}_{self.random.integers(10**6)}{path.suffix}"
            self.files[number] = path.rename(folder / name)

    def save_again(self, share, forms):
        for number in self.some(share):
            path = self.files[number]
            ending, options = forms[self.random.integers(len(forms))]
            image = Image.open(io.BytesIO(path.read_bytes()))
            image = image.transpose(Image.Transpose.ROTATE_270) if image.getexif().get(0x0112) == 6 else image.copy()
            image.info.clear()
            chosen = options()
            stored = image.transpose(Image.Transpose.ROTATE_90) if "exif" in chosen else image
            path.unlink()
            self.files[number] = path.with_suffix(f".{ending}")
            stored.save(self.files[number], **chosen)

    def split(self):
        """Run the stages; return the manifest, with the number of each tile."""
        ingested = self.root / "ingested"
        data = DataParams(source="folder", path=str(self.root / "raw"))
        preprocess = PARAMS.preprocess
        read = ingest(find(data, preprocess.size), preprocess, self.root / "ledger", ingested / "images.npy")
        manifest.write(read.manifest, ingested / "manifest.parquet")
        manifest.write_quarantine(read.quarantine, self.root / "quarantine.csv")
        names = ("quarantine.csv", "splits.csv", "pictures.parquet", "divided", "pairs.csv")
        pipeline.split.main(PARAMS, str(ingested), *(str(self.root / name) for name in names))
        rows = manifest.read(self.root / "divided" / "manifest.parquet")
        return rows.assign(tile=rows["name"].str.extract(r"/(\d+)", expand=False).astype(int)).set_index("tile")

    def check(self):
        """Run the stages; no tile goes to an earlier split than it ever was in."""
        rows = self.split()
        assert set(rows.index) == set(self.files)
        for number, name in rows["split"].items():
            assert SPLITS.index(name) >= SPLITS.index(self.held_out.get(number, name)), (number, self.files[number])
            self.held_out[number] = name
        return rows


@pytest.fixture
def album(tmp_path):
    album = Album(tmp_path, 0)
    album.add(60)
    return album


def live(album, generations):
    for generation in range(generations):
        rows = album.check()
        assert not (rows["leaked"] & (rows["split"] == "train")).any()
        album.remove(0.06)
        album.add(4)
        album.move(0.1)
        album.move(0.05, LABELS[generation % len(LABELS)])
        album.save_again(0.3, [*LOSSLESS, JPEG])
    album.check()


def test_no_picture_leaves_test_or_validation_for_training(album):
    live(album, 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_no_picture_leaves_test_or_validation_for_training_in_25_generations(tmp_path, seed):
    album = Album(tmp_path, seed)
    album.add(60)
    live(album, 25)


@pytest.mark.slow
def test_an_export_without_loss_moves_no_image_even_if_the_thumbnails_are_lost(album, capsys):
    first = album.check()
    assert "thumbnail" not in capsys.readouterr().out
    for forms in (LOSSLESS[1:], LOSSLESS[1:], LOSSLESS[3:4]):
        (album.root / "pictures.parquet").unlink()
        album.save_again(1, forms)
        later = album.check()
        assert later["split"].to_dict() == first["split"].to_dict()
        assert later["picture"].to_dict() == first["picture"].to_dict()
        assert not set(later["sha256"]) & set(first["sha256"])
    assert "thumbnail" not in capsys.readouterr().out


@pytest.mark.slow
def test_an_export_of_the_digits_without_loss_moves_no_image(tmp_path):
    """Pictures that only their pixels tell apart."""
    album = Album(tmp_path, 0)
    digits = load_digits()
    for number in range(200):
        path = tmp_path / "raw" / str(digits.target[number]) / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[number] * 255 / 16).astype("uint8")).save(path)
        album.files[number] = path
    first = album.check()
    for form in (("png", commented), ("webp", lambda: {"lossless": True})):
        album.save_again(1, [form])
        later = album.check()
        assert later["split"].to_dict() == first["split"].to_dict()
        assert not set(later["sha256"]) & set(first["sha256"])


def test_an_export_as_jpeg_moves_no_image_unless_the_thumbnails_are_lost(album, capsys):
    first = album.check()
    album.save_again(1, [("jpg", lambda: {"quality": 85})])
    later = album.check()
    assert later["split"].to_dict() == first["split"].to_dict()
    assert not set(later["picture"]) & set(first["picture"])
    printed = capsys.readouterr().out
    assert "thumbnail" not in printed
    assert "gone since the last run" not in printed
    found = families.read(album.root / "divided" / "families.parquet").set_index("picture")["family"]
    for number in first.index:
        assert found[first["picture"][number]] == found[later["picture"][number]]
    (album.root / "pictures.parquet").unlink()
    album.save_again(1, [("jpg", lambda: {"quality": 80})])
    album.split()
    assert "120 earlier images have no thumbnail" in capsys.readouterr().out


def test_pictures_that_may_be_the_same_are_told(album, capsys):
    album.check()
    plain, number = Image.new("RGB", (48, 48), (90, 120, 200)), min(album.files)
    for seed in range(3):
        capsys.readouterr()
        noise = np.random.default_rng(seed).integers(0, 2, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(np.asarray(plain) + noise).save(album.files[number].with_suffix(".png"))
        album.split()
        (line,) = [line for line in capsys.readouterr().out.splitlines() if "gone since" in line]
        assert line.startswith("1 pictures are gone since the last run, and 1 new ones resemble no earlier one; if ")


def test_a_project_of_the_version_before_keeps_its_splits(album):
    """It had splits by the files' SHA-256, and no thumbnails."""
    first = album.check()
    (album.root / "pictures.parquet").unlink()
    lines = sorted(f"{row.sha256[:16]},{row.split}" for row in first.itertuples())
    head = "# splits of images by SHA-256, for seed 0 and shares 0.6/0.2/0.2"
    (album.root / "splits.csv").write_text("\n".join([head, *lines]) + "\n")
    again = album.check()
    assert again["split"].to_dict() == first["split"].to_dict()
    album.save_again(1, LOSSLESS[1:])
    assert album.check()["split"].to_dict() == first["split"].to_dict()


def test_a_run_that_is_repeated_changes_no_file(album):
    album.check()
    album.save_again(0.5, [*LOSSLESS, JPEG])
    album.check()
    files = [album.root / name for name in ("splits.csv", "pictures.parquet", "divided/manifest.parquet",
                                            "divided/families.parquet", "pairs.csv")]  # fmt: skip
    before = [file.read_bytes() for file in files]
    album.check()
    assert [file.read_bytes() for file in files] == before


def shown(number, brightness):
    """A tile, brighter or darker."""
    pixels = np.asarray(TILES[number]).astype(float) * brightness
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def test_what_leaks_does_so_whatever_joins_its_family(album):
    """Three pairs of near-duplicates in training and test, as an earlier search has left them, and what is between."""
    numbers = sorted(album.files)[:3]
    for number in numbers:
        shown(number, 0.9).save(album.files[number].with_name(f"{number:03d}_darker.png"))
    rows = album.split()
    splits = album.root / "splits.csv"
    text = splits.read_text()
    for row in rows.loc[numbers].itertuples():
        line = f"{row.picture[:16]},{row.sha256[:16]},"
        assert f"{line}{row.split}\n" in text
        text = text.replace(f"{line}{row.split}\n", line + ("test\n" if "darker" in row.name else "train\n"))
    splits.write_text(text)
    torn = album.split()
    leaked = set(torn["name"][torn["leaked"]])
    assert leaked == {row.name for row in torn.itertuples() if "darker" in row.name}
    for number in numbers:
        shown(number, 0.95).save(album.files[number].with_name(f"{number:03d}_between.png"))
    joined = album.split()
    assert leaked <= set(joined["name"][joined["leaked"]])
    again = album.split()
    assert again["leaked"].tolist() == joined["leaked"].tolist()


def test_a_damaged_file_of_splits_changes_nothing(album):
    album.check()
    (album.root / "splits.csv").write_text("# another form\n")
    pictures = (album.root / "pictures.parquet").read_bytes()
    with pytest.raises(InputError, match=r"splits.csv, line 1: '# another form' is not"):
        album.split()
    assert (album.root / "splits.csv").read_text() == "# another form\n"
    assert (album.root / "pictures.parquet").read_bytes() == pictures
