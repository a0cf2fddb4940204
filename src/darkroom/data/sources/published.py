"""Data sets of libraries: scikit-learn's digits, and ``keras.datasets`` with its cache."""

from pathlib import Path

import numpy as np

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line, of_machine
from darkroom.base.types import SplitName  # noqa: TC001 - evaluated at run time
from darkroom.data.formats.samples import InMemory, Sample

KERAS_LABELS = {
    "mnist": "0 1 2 3 4 5 6 7 8 9",
    "fashion_mnist": "t-shirt trouser pullover dress coat sandal shirt sneaker bag boot",
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "cifar100": """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
        castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
        elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
        man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
        pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
        skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
        tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
    """,
}
"""Class names of each data set, by class number."""


def digits() -> list[Sample]:
    """Return 1,797 handwritten digits, 8×8 with 17 grey values (UCI ML repository, E. Alpaydin, C. Kaynak)."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    pixels = np.round(loaded.images * (255 / 16)).astype(np.uint8)
    pairs = enumerate(zip(pixels, loaded.target, strict=True))
    return [Sample(f"{index:04d}", str(label), InMemory(image)) for index, (image, label) in pairs]


def keras_dataset(page: Path) -> list[Sample]:
    """Return the data set of ``keras.datasets`` named by the stem of ``page``; published test images stay test images.

    Raises:
        InputError: unknown data set, or it is neither cached nor can be downloaded.
    """
    name = page.stem
    if name not in KERAS_LABELS:
        known = ", ".join(str(page.with_name(known)) for known in KERAS_LABELS)
        raise InputError(f"data.path: {page} is not a data set of Keras; choose one of {known}")
    from darkroom.base.backend import keras

    try:
        parts = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a plain Exception if a download fails
        if of_machine(error):
            raise
        raise InputError(
            f"data.path: {page}: Keras cannot load its data set {name} ({first_line(error)}); allow the download, or "
            "put its files into the folder datasets in KERAS_HOME (default: ~/.keras)"
        ) from None
    found = []
    names: tuple[SplitName, SplitName] = ("train", "test")
    for split, (pixels, classes) in zip(names, parts, strict=True):
        numbered = enumerate(zip(pixels, np.ravel(classes), strict=True))
        labels = KERAS_LABELS[name].split()
        found += [Sample(f"{split}/{index:05d}", labels[number], InMemory(image), split)
                  for index, (image, number) in numbered]  # fmt: skip
    return found
