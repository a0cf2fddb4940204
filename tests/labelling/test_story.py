"""Wrong labels are found, corrected and trained again: the whole pipeline. Slow."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from benchmarks import label_story
from darkroom.base import spreadsheets
from support.finished import stages_run
from support.pictures import draw

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wrong(finished_mlp, tmp_path_factory):
    """A project with 4 of its 60 new images in the wrong folder, whose pipeline has run."""
    project = finished_mlp.copy_to(tmp_path_factory.mktemp("labels") / "project")
    for number in range(100, 130):
        for label, other in (("a", "b"), ("b", "a")):
            folder = other if number < 102 else label
            draw(label, number).save(project.root / "data/raw" / folder / f"{label}{number}.png")
    project.run("dvc", "repro")
    return project.commit("more images")


def test_the_audit_finds_them_and_corrections_are_trained(wrong):
    table = spreadsheets.read(wrong.root / "reports/label_audit.csv")
    planted = {f"{folder}/{label}{number}.png" for number in (100, 101) for folder, label in (("b", "a"), ("a", "b"))}
    audited = pd.read_parquet(wrong.root / "data/described/images.parquet")
    there = planted & set(audited["name"])
    assert there <= set(table.loc[table["kind"] == "label error", "name"])
    # Test images are in no audit; their names are in the report of a network.
    tested = spreadsheets.read(wrong.root / "reports/mlp/predictions.csv").rename(columns={"image": "name"})
    assert not set(table["name"]) & set(tested["name"])
    one = tested[["name", "picture", "label"]].iloc[:1]
    filled = pd.concat([table[table["name"].isin(planted)], one])[["name", "picture", "label"]]
    filled = filled.assign(correct=np.where(filled["label"] == "a", "b", "a"))
    spreadsheets.write(wrong.root / "corrected.csv", filled)
    printed = wrong.run("darkroom", "relabel", "corrected.csv", "--who", "Ada")
    assert f"{len(filled)} pictures corrected" in printed
    assert "test pictures among them: 1;" in printed
    (wrong.root / "corrected.csv").unlink()
    printed = wrong.run("dvc", "repro")
    assert {"ingest", "describe", "train@mlp", "promote"} <= set(stages_run(printed))
    after = spreadsheets.read(wrong.root / "reports/label_audit.csv")
    assert not there & set(after.loc[after["kind"] == "label error", "name"])
    counts = json.loads((wrong.root / "reports/label_audit.json").read_text())
    assert counts["judged"] == len(there)
    why = json.loads((wrong.root / "reports/promotion.json").read_text())["reason"]
    assert "1 test image has a corrected label (data/labels.csv), for champion and candidate alike" in why
    # The images keep their splits.
    splits = pd.read_parquet(wrong.root / "data/divided/manifest.parquet").set_index("name")["split"]
    assert splits[audited["name"]].tolist() == audited["split"].tolist()
    assert "labels.csv" in wrong.run("git", "status", "--short", "data")


def test_label_next_chooses_new_pictures_and_leaves_copies_out(wrong, tmp_path):
    for label in "ab":
        for number in range(200, 212):
            draw(label, number).save(tmp_path / f"{label}{number}.png")
    draw("a", 200).save(tmp_path / "copy.png")
    draw("a", 3).save(tmp_path / "labelled.png")
    output = wrong.run("darkroom", "label-next", str(tmp_path), "-n", "6", "--out", "next.csv")
    assert "6 pictures to label: next.csv" in output
    assert "copies or near-duplicates" in output
    chosen = spreadsheets.read(wrong.root / "next.csv")
    assert len(chosen) == 6
    assert "labelled.png" not in set(chosen["name"])
    assert len({"copy.png", "a200.png"} & set(chosen["name"])) <= 1
    wrong.run("darkroom", "label-next", str(tmp_path), "-n", "6", "--out", "next")
    copied = sorted(path.relative_to(wrong.root / "next").as_posix() for path in (wrong.root / "next").rglob("*.png"))
    assert [
        one.partition("/")[2].partition("_")[2] for one in sorted(copied, key=lambda one: one.partition("/")[2])
    ] == (chosen["name"].tolist())
    assert "is not empty" in wrong.run("darkroom", "label-next", str(tmp_path), "--out", "next", code=2)
    assert "does not exist" in wrong.run("darkroom", "label-next", "gone", code=2)
    (tmp_path / "latin").mkdir()
    for number in range(300, 306):
        draw("ab"[number % 2], number).save(tmp_path / "latin" / os.fsdecode(b"caf\xe9 %d.png" % number))
    wrong.run("darkroom", "label-next", str(tmp_path / "latin"), "-n", "3", "--out", "latin.csv")
    assert spreadsheets.read(wrong.root / "latin.csv")["name"].str.match(r"caf\\xe9 30\d\.png").all()
    (tmp_path / "unread").mkdir()
    for number in range(30):
        (tmp_path / "unread" / f"{number:02d}.png").write_bytes(b"<html>" if number else b"")
    line = wrong.run("darkroom", "label-next", str(tmp_path / "unread"), "--out", "none.csv", code=2).splitlines()[-1]
    assert "none of 30 pictures can be read; 29 (such as 01.png): not an image in a supported format" in line
    assert not (wrong.root / "none.csv").exists()


@pytest.mark.thorough
@pytest.mark.skipif("DARKROOM_DATASETS" not in os.environ, reason="DARKROOM_DATASETS names no folder of data sets")
def test_corrections_of_400_photographs_are_in_git_and_in_accuracy_and_decision(tmp_path):
    figures = label_story.story(tmp_path / "project", 0)
    assert label_story.kept(figures), figures
    assert figures["planted"] >= 15
    assert figures["judged"] == label_story.CORRECTED
