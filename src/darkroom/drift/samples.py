"""What is known of a sample of images: statistics, labels, what a network makes of them, columns of one's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from darkroom.base.types import Integers, Numbers
from darkroom.drift.blocks import singles
from darkroom.drift.distances import Labels


@dataclass(frozen=True)
class Embeddings:
    """Features and predictions of a network for some images."""

    features: Numbers
    """float64 of shape (images, features)."""
    predictions: Labels
    """Predicted labels, of shape (images,)."""
    families: Integers | None = None
    """Family or group number of each image; None if all are independent."""
    columns: Mapping[str, Labels] = field(default_factory=dict)
    """Values of columns of one's own, each of shape (images,)."""

    def __len__(self) -> int:
        return len(self.predictions)

    def take(self, rows: Integers) -> "Embeddings":
        """Return some images, without their columns."""
        families = None if self.families is None else self.families[rows]
        return Embeddings(self.features[rows], self.predictions[rows], families)

    @property
    def blocks(self) -> Integers:
        """Block of each image."""
        return singles(len(self)) if self.families is None else self.families


@dataclass(frozen=True)
class Sample:
    """Statistics, labels and embeddings of a sample of images."""

    measures: Mapping[str, Numbers]
    """For each statistic, float64 of shape (images,)."""
    labels: Labels | None = None
    """Labels of the same images."""
    embeddings: Embeddings | None = None
    """May be of other images: validation images, because a network may have memorised its training images."""
    families: Integers | None = None
    """Family or group number of each image; None if all are independent."""
    columns: Mapping[str, Labels] = field(default_factory=dict)
    """Values of columns of one's own, each of shape (images,)."""

    def __len__(self) -> int:
        return len(next(iter(self.measures.values())))

    def take(self, rows: Integers) -> "Sample":
        """Return some images, without their embeddings and columns."""
        return Sample(
            {name: values[rows] for name, values in self.measures.items()},
            None if self.labels is None else self.labels[rows],
            families=None if self.families is None else self.families[rows],
        )

    @property
    def blocks(self) -> Integers:
        """Block of each image."""
        return singles(len(self)) if self.families is None else self.families
