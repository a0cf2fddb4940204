"""The pages of the pipeline: what is known is on them, names are words, and nothing is loaded from elsewhere."""

import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkroom.base.terminal import JOINERS, STEERING
from darkroom.overview import data_page, front_page, map_page, odd, projection
from support.overviews import (
    CHECKS,
    LABELS,
    PAIRS,
    QUARANTINE,
    RUNS,
    decided,
    describe,
    make_pictures,
    make_rows,
    project,
    trained,
)


class Reader(HTMLParser):
    """Collects text, links and what a page would load."""

    def __init__(self):
        super().__init__()
        self.words, self.links, self.loaded, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name == "href":
                self.links.append(value)
            if name in {"src", "srcset", "data", "action"} and not value.startswith("data:image/"):
                self.loaded.append(value)

        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        # Parts of a sentence stand in these.
        if tag not in {"bdi", "span"}:
            self.words.append(" ")

    def handle_data(self, data):
        self.words.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.loaded == []
    assert not re.search(r"@import|url\(", text)
    assert "<b>dog" not in text
    return " ".join("".join(reader.words).split()), reader


@pytest.fixture
def found():
    """What earlier stages say of 40 images, and of three that are left out; the first of these can be seen."""
    rows = make_rows()
    blank = rows.iloc[[0]].assign(name="cat/blank.png").set_axis([40])
    return data_page.Found(
        ingested=pd.concat([rows.drop(columns="split"), blank.drop(columns="split")]),
        divided=rows,
        quarantine=QUARANTINE,
        pairs=PAIRS,
        checks=CHECKS,
        odd=pd.DataFrame({"name": ["cat/3.png"], "label": ["cat"], "picture": [3]}),
    )


@pytest.fixture
def pictures(tmp_path):
    with make_pictures(tmp_path / "images.npy", 41) as made:
        yield made


def test_the_page_of_the_data_has_classes_what_was_left_out_pairs_and_odd_ones(found, pictures):
    text = data_page.page(found, pictures, "Data of darkroom")
    words, reader = read(text)
    assert "script" not in reader.tags
    for expected in (
        *("40 images", "4 classes", "24 for training", "3 files left out", "2 near-duplicate pairs", "1 of these"),
        *(
            "2 files: it is blank: the contrast is 0.2",
            "1 file: cut off",
            "Repair it.",
            "two labels",
            "similarity 0.97",
        ),
        *("cat/3.png", "24×24: 20", "PNG: 40", "12 bits: 1", "2 of 42 images", *LABELS),
    ):
        assert expected in words, expected
    # The check that does not hold comes first.
    assert words.index("2 of 42 images") < words.index("0 of 40 images")
    # Six training images of each class, the blank one, two pairs and the odd one; two files were never read.
    assert text.count("data:image/webp;base64") == 6 * len(LABELS) + 1 + 4 + 1
    assert words.count("no image available") == 2


def test_pictures_of_classes_are_of_training_images(found, pictures):
    rows = found.divided
    text = data_page.page(replace(found, pairs=PAIRS.head(0)), pictures, "Data")
    shown = {row for row in rows.index if pictures.embedded(int(row)) in text}
    assert shown == set(rows.index[rows["split"] == "train"])


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "side"), [(150, 96), (1000, 8)])
def test_the_page_of_many_classes_stays_small(tmp_path, classes, side):
    rows = make_rows([f"class {number}" for number in range(classes)])
    nothing = QUARANTINE.head(0)
    of_many = data_page.Found(rows.drop(columns="split"), rows, nothing, PAIRS.head(0), CHECKS, pd.DataFrame())
    with make_pictures(tmp_path / "images.npy", len(rows), (side, side, 3)) as noise:
        text = data_page.page(of_many, noise, "Data")
    words, _ = read(text)
    assert "class 149" in words
    assert "Nothing: every file is used." in words
    assert text.count("data:image") <= data_page.PICTURES
    # Pure noise, of which pictures are largest.
    assert len(text) < 6_000_000


def test_the_front_page_has_data_networks_decision_and_next_steps(pictures):
    words, reader = read(front_page.page(project(), pictures, {"audit.html": "label audit"}))
    assert "script" not in reader.tags
    for expected in (
        *("Pets & <i>more</i>", "mlp is right on 97.5 % of 40 test images (95 % interval 90.0 % to 100 %)", "Promoted"),
        *("40 images", "97.5 % (90.0 % to 100 %)", "4.25 ms", "1.5 MB", "1.6 min of training", "5,000 parameters"),
        *("not worse", "p 0.01 against 2f2f2f2f", "ask mlp", "label audit", "champion", "12 likely label errors"),
        "look at the 12 likely label errors and the 2 images with a near-duplicate of another label",
    ):
        assert expected.casefold() in words.casefold(), expected
    # The candidate, which is best on validation images, comes first.
    assert words.index("mlp champion run 11111111") < words.index("lenet5 run 2f2f2f2f")
    assert not re.search(r"[0-9a-f]{32}", words)
    assert {"mlp/model_card.html", "lenet5/model_card.html", "data.html", "map.html", "audit.html"} <= set(reader.links)
    assert not [link for link in reader.links if ":" in link]


def test_accuracies_without_an_interval_are_on_the_front_page(pictures):
    networks = [trained("mlp", 1.0, None, 0.9)]
    words, _ = read(front_page.page(project(networks), pictures, {}))
    assert "mlp is right on 100 % of 40 test images (too few to tell how precisely)" in words
    assert "not known" in words


@pytest.mark.parametrize(
    ("intervals", "ends"),
    [
        ([[0.8, 0.95], [0.9, 1.0]], (0.79, 1.0)),
        ([[0.57, 0.572], [0.02, 0.572]], (0.01, 0.58)),
        ([None, None], (0.49, 0.51)),
        ([[0.0, 0.001], [0.0, 0.002]], (0.0, 0.01)),
    ],
)
def test_the_chart_holds_all_intervals(intervals, ends):
    of_both = [trained("mlp", 0.5, interval, 0.5) for interval in intervals]
    assert front_page.scale(of_both) == ends


@pytest.mark.parametrize(
    ("more", "outcome", "kind"),
    [
        ({}, "Promoted", "good"),
        ({"outcome": "keep"}, "Not promoted", "bad"),
        ({"withheld": "a DVC experiment"}, "Would be promoted", "good"),
        ({"outcome": "keep", "champion": {"run_id": RUNS["mlp"]}}, "Champion", "good"),
        ({"outcome": "keep", "champion": {"run_id": RUNS["lenet5"]}}, "Not promoted", "bad"),
    ],
)
def test_outcomes_of_the_decision(more, outcome, kind):
    found = front_page.decision(project(decision=decided(**more)))
    assert (found["outcome"], found["kind"]) == (outcome, kind)


def test_what_the_rules_found_is_said_once(pictures):
    finding = {"rule": "not_worse", "passed": True, "text": "not worse: p 0.01"}
    of_one = decided(reason="mlp is better; not worse: p 0.01; 3 images were left out", findings=[finding])
    words, _ = read(front_page.page(project(decision=of_one), pictures, {}))
    assert "mlp is better; 3 images were left out. " in words
    assert words.count("p 0.01") == 1


def test_the_map_has_a_point_for_each_training_and_validation_image(tmp_path, pictures):
    features = np.random.default_rng(1).normal(size=(32, 5))
    described, images = describe(tmp_path / "described", features, make_rows())
    images["audit"] = ["label error", *["nothing found"] * 31]
    text = map_page.page(described, images, pictures, 0)
    words, _ = read(text)
    assert "No colours." in words
    points = json.loads(re.search(r'id="points">(.*?)</script>', text).group(1))
    assert points["names"] == list(images["name"])
    assert len(points["x"]) == len(points["y"]) == 32
    *others, cluster = points["colours"]
    assert [(colour["name"], colour["counts"]) for colour in others] == [
        ("label", [8] * 4),
        ("split", [24, 8]),
        ("audit", [31, 1]),
    ]
    assert (cluster["name"], len(cluster["kinds"]), sum(cluster["counts"])) == ("cluster", 4, 32)
    label = points["colours"][0]
    assert [label["kinds"][kind] for kind in label["of"]] == list(images["label"])
    assert map_page.page(described, images, pictures, 0) == text


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(min_size=1, max_size=20), min_size=32, max_size=32, unique=True))
def test_no_name_or_class_steers_what_the_map_says(tmp_path_factory, pictures, texts):
    described, images = describe(tmp_path_factory.mktemp("described"), np.eye(32), make_rows())
    images = images.assign(name=texts, label=[text[:3] for text in texts])
    text = map_page.page(described, images, pictures, 0)
    points = json.loads(re.search(r'id="points">(.*?)</script>', text).group(1))
    assert points["names"] == texts  # for copying
    said = [*points["shown"].values(), *points["colours"][0]["kinds"]]
    said += [name for point, name in enumerate(texts) if str(point) not in points["shown"]]
    assert not {unicodedata.category(sign) for each in said for sign in each if sign not in JOINERS} & STEERING


def test_of_more_images_than_a_map_has_points_a_sample_is_drawn():
    assert map_page.chosen(7, 0).tolist() == list(range(7))
    rows = map_page.chosen(map_page.MOST + 100, 3)
    assert len(rows) == len(set(rows)) == map_page.MOST
    assert (rows == map_page.chosen(map_page.MOST + 100, 3)).all()
    assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 40])
@pytest.mark.parametrize("dimensions", [1, 2, 70])
def test_any_number_of_images_has_places(count, dimensions):
    features = np.random.default_rng(count).normal(size=(count, dimensions)).astype(np.float32)
    places = projection.places(features)
    assert places.shape == (count, 2)
    assert places.min() >= 0
    assert places.max() <= projection.WIDTH


def test_equal_features_have_places_too():
    assert projection.places(np.ones((12, 4), dtype=np.float32)).shape == (12, 2)


def test_groups_are_apart_on_the_map():
    generator = np.random.default_rng(0)
    features = np.concatenate([generator.normal(at, 1, (30, 20)) for at in (0, 30, 60)]).astype(np.float32)
    places = projection.places(features).astype(float)
    centres = places.reshape(3, 30, 2).mean(axis=1)
    nearest = np.linalg.norm(places[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == np.repeat([0, 1, 2], 30)).all()
    assert (projection.places(features) == places).all()


def test_clusters_are_the_groups_the_largest_first():
    generator = np.random.default_rng(0)
    sizes = (40, 70, 52)
    features = np.concatenate(
        [generator.normal(at, 1, (size, 20)) for at, size in zip((0, 90, 180), sizes, strict=True)]
    )
    found = projection.clusters(features.astype(np.float32))
    assert len(set(found)) == 9
    groups = np.repeat([0, 1, 2], sizes)
    assert all(len(set(groups[found == number])) == 1 for number in range(9))
    assert (np.diff(np.bincount(found)) <= 0).all()
    assert (projection.clusters(features.astype(np.float32)) == found).all()


@pytest.mark.parametrize(("count", "clusters"), [(1, 1), (2, 1), (7, 2), (40, 4), (2000, 20)])
def test_any_number_of_images_has_clusters(count, clusters):
    features = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    assert len(set(projection.clusters(features))) == clusters
    assert set(projection.clusters(np.ones_like(features))) == {0}


def test_images_that_resemble_no_others_are_odd():
    features = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32) + 3
    features[:, :4] *= 0.05
    features[[17, 90], :4] = [[9, -9, 9, -9], [-9, 9, 9, -9]]
    assert set(odd.most_odd(features, 10).tolist()) >= {17, 90}
    assert len(odd.most_odd(features, 1)) == 1
    assert odd.most_odd(features, 2).tolist() == sorted({17, 90}, key=lambda row: -odd.distances(features)[row])


@pytest.mark.parametrize("count", [0, 1, 6])
def test_of_few_images_none_is_odd(count):
    assert odd.most_odd(np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32), 5).tolist() == []


def test_distances_are_those_to_the_fifth_neighbour(monkeypatch):
    features = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    unit = features - features.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    each = np.sort(1 - unit @ unit.T, axis=1)
    expected = each[:, 5]
    assert np.allclose(odd.distances(features), expected, atol=1e-6)
    monkeypatch.setattr(odd, "PORTION", 7)
    assert np.allclose(odd.distances(features), expected, atol=1e-6)
    # With a sample of those that each is compared with, none is nearer.
    monkeypatch.setattr(odd, "COMPARED_WITH", 30)
    assert (odd.distances(features) >= expected - 1e-6).all()
