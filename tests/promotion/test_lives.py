"""The champions of a model's life, read from the promotion records of a real registry."""

import json

import pytest
from mlflow import MlflowClient

from darkroom.promotion import lives
from darkroom.promotion.champions import PROMOTION_RECORDS
from darkroom.registry import versions
from darkroom.tracking.store import ORIGINAL, open_store


@pytest.fixture
def name(project_with_store, monkeypatch, request):
    """The name of a model that does not exist yet."""
    monkeypatch.chdir(project_with_store)
    open_store()
    return request.node.name.partition("[")[0]


def record(after, rule="not_worse", how="decision"):
    return {"since": "", "who": "", "how": how, "why": "", "after": after, "rule": rule}


FIRST = record(None, "first")


def register(name, *records):
    """Register a version with each list of records; the last one is the champion."""
    client = MlflowClient()
    client.create_registered_model(name)
    for number, of_version in enumerate(records, 1):
        tags = {ORIGINAL: f"run {number}", PROMOTION_RECORDS: json.dumps(of_version)}
        version = client.create_model_version(name, "somewhere", tags=tags, await_creation_for=0)
    client.set_registered_model_alias(name, "champion", version.version)


CHAMPIONS = {
    "the first one": ([[FIRST]], [], "run 1", None),
    "a chain": ([[FIRST], [record("1")], [record("2", "better")]], [2, 1], "run 1", None),
    "promoted": ([[FIRST], [record("1", how="promote")], [record("2")]], [2], "run 2", None),
    "rolled back": ([[FIRST], [record("1", how="rollback")], [record("2")]], [2], "run 2", None),
    "restored": ([[FIRST], [record("1", how="restore")], [record("2")]], [2], "run 2", None),
    "promoted twice": ([[FIRST], [record("1"), record("1", how="promote")], [record("2")]], [2], "run 2", None),
    "accepted": ([[FIRST], [record("1", how="accept")], [record("2")]], [2, 1], "run 1", None),
    "the best": ([[FIRST], [record("1", "best")], [record("2")]], [2], "run 2", None),
    "the first of a new registry": ([[FIRST], [record("1", "first")], [record("2")]], [2], "run 2", None),
    "none before it": ([[FIRST], [record(None)], [record("2")]], [2], "run 2", None),
    "an alias from outside": ([[FIRST], [], [record("2")]], [2], "run 2", None),
    "one that was deleted": ([[FIRST], [record("9")], [record("2")]], [2], "run 2", "9"),
    "the last before it was deleted": ([[FIRST], [record("9")]], [], "run 2", "9"),
    "back and forth": ([[FIRST, record("2")], [record("1"), record("1")]], [1], "run 1", None),
}


@pytest.mark.parametrize("case", CHAMPIONS)
def test_the_champions_since_a_life_began(name, case):
    name = f"{name} {case}"
    records, before, begun_with, deleted = CHAMPIONS[case]
    register(name, *records)
    current = versions.champion(name)
    found = lives.champions_of(name, current)
    assert [version.version for version in found.before] == before
    assert (found.begun_with, found.deleted) == (begun_with, deleted)
    of_name = [(version.version, why) for version, why in lives.needed() if version.name == name]
    why = f"an earlier champion of {name}, with which candidates are compared"
    assert of_name == [(number, why) for number in before]
