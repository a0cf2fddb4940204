"""What moves the champion by hand, and the trace that it leaves; two models side by side."""

import base64
import getpass
import io
import json
import re
import socket
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from darkroom.base.errors import InputError
from darkroom.cli import main
from darkroom.experiments import compare, compare_page
from darkroom.promotion import champions, lives
from darkroom.promotion.contenders import Contender, Decision
from darkroom.promotion.history import history
from darkroom.registry import versions as registry_versions
from darkroom.tracking.runs import start_run
from darkroom.tracking.store import open_store
from support.comparisons import predictions, side

LABELS = ("a", "b")


@pytest.fixture(scope="module")
def store(project_with_store):
    """A store with four versions of a model, none of them champion; the last one knows another class."""
    root = project_with_store
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        open_store()
        runs = []
        for number, (right, labels) in enumerate(((0.6, LABELS), (0.9, LABELS), (0.9, LABELS), (0.9, (*LABELS, "c")))):
            with start_run("mlp", "train", {"network": "mlp", "data_digest": "d" * 16}) as run:
                predictions(right, number, labels=labels).to_csv(root / "predictions.csv", index=False)
                run.log_file(root / "predictions.csv", "evaluation")
                run.log_metrics({"test_accuracy": right})
            runs.append(run.run_id)
        client = MlflowClient()
        client.create_registered_model("darkroom")
        for run_id in runs:
            client.create_model_version("darkroom", str(root), run_id, await_creation_for=0)
        yield root, runs


@pytest.fixture
def versions(store, monkeypatch):
    """The same, in its folder, without aliases and traces."""
    monkeypatch.chdir(store[0])
    open_store()
    client = MlflowClient()
    for number in ("1", "2", "3", "4"):
        if champions.PROMOTION_RECORDS in client.get_model_version("darkroom", number).tags:
            client.delete_model_version_tag("darkroom", number, champions.PROMOTION_RECORDS)
    for alias in ("champion", "challenger"):
        client.delete_registered_model_alias("darkroom", alias)
    return store[1]


def aliases():
    return {alias: number for number, of in registry_versions.aliases("darkroom").items() for alias in of}


def records(number):
    return champions.promotion_records(MlflowClient().get_model_version("darkroom", number))


def test_a_champion_by_hand_and_back_again(versions, capsys):
    assert main(["promote", "1", "--reason", "the first that works"]) == 0
    assert main(["promote", "2", "--reason", "better in the field"]) == 0
    assert "models:/darkroom@champion is version 2" in capsys.readouterr().out
    assert aliases() == {"champion": "2", "challenger": "1"}
    (record,) = records("2")
    assert (record.how, record.why, record.after) == ("promote", "better in the field", "1")
    assert " on " in record.who
    assert record.since.endswith("+00:00")

    assert main(["rollback", "--reason", "it fails at night"]) == 0
    assert "version 1 again" in capsys.readouterr().out
    assert aliases() == {"champion": "1", "challenger": "2"}
    assert [record.how for record in records("1")] == ["promote", "rollback"]
    # Version 2 was taken back: the next rollback would go before version 1, not to 2 again.
    assert main(["rollback", "--reason", "it did not"]) == 2
    assert "no previous champion to roll back to" in capsys.readouterr().err
    assert aliases() == {"champion": "1", "challenger": "2"}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("1 2 3 back back", "1"),
        ("1 2 3 back back back", "none"),
        ("1 2 1 back", "2"),
        ("1 2 1 back back", "1"),
        ("1 2 1 back back back", "none"),
        ("1 2 back 3 back", "1"),
        ("1 2 back 3 4 back back back", "none"),
        ("1 2 3 back 4 back", "2"),
        ("1 2 3 back 4 back back", "1"),
        ("1 2 3 back 3 back", "2"),
        ("1 2 3 4 back back back", "1"),
    ],
)
def test_each_rollback_takes_back_one_promotion_more(versions, steps, expected):
    for step in steps.split()[:-1]:
        champions.rollback("darkroom", "back") if step == "back" else champions.promote("darkroom", step, "forth")
    if expected == "none":
        with pytest.raises(InputError, match="no previous champion to roll back to"):
            champions.rollback("darkroom", "back")
    else:
        assert champions.rollback("darkroom", "back").version == int(expected)
        assert aliases()["champion"] == expected


def test_who_is_the_champion(versions, capsys):
    champions.promote("darkroom", "3", "because")
    capsys.readouterr()
    assert main(["champion", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "models:/darkroom/3"
    assert (found["run"], found["how"], found["why"]) == (versions[2], "promote", "because")
    assert found["test accuracy"] == 0.9
    assert main(["champion"]) == 0
    assert "why               because" in capsys.readouterr().out
    # Set from outside, there is no trace, and that is said.
    MlflowClient().set_registered_model_alias("darkroom", "champion", "1")
    assert champions.describe("darkroom")["since"] == "unknown: the alias was not set by Darkroom"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["champion"], "no champion; run dvc repro to promote one"),
        (["promote", "9", "--reason", "x"], "no version 9; it has 1, 2, 3, 4"),
        (["promote", "1", "--reason", " "], "--reason is empty"),
        (["rollback", "--reason", "x"], "no champion; run dvc repro to promote one"),
        (["compare", "1", "nothing"], "nothing: no such alias, version or run; darkroom runs lists them"),
        (["compare", "1", "challenger"], "challenger: no such alias, version or run"),
        (["compare", "1", "4"], "1 and 4 have different classes (c); name two models trained on the same classes"),
        (["promote", "champion", "--reason", "x"], "no version champion; it has 1, 2, 3, 4"),
    ],
)
def test_what_is_refused(versions, capsys, arguments, words):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert len(printed.err.splitlines()) == 1
    assert aliases() == {}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["models:/darkroom/9", "models:/darkroom@nobody", "models:/nothing/1"])
@pytest.mark.parametrize("command", [["predict", "image.png", "--model"], ["serve"]])
def test_an_unknown_model_is_refused_with_the_remedy(versions, capsys, command, model):
    Path("image.png").touch()
    assert main([*command, model]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"darkroom {command[0]}: {model} cannot be loaded (")
    assert "darkroom restore" in line


def test_the_first_champion_has_none_before_it(versions):
    champions.promote("darkroom", "1", "first")
    with pytest.raises(InputError, match="no previous champion to roll back to"):
        champions.rollback("darkroom", "why not")
    with pytest.raises(InputError, match="is already the champion"):
        champions.promote("darkroom", "1", "again")
    assert len(records("1")) == 1


def test_two_models_side_by_side(versions, capsys):
    champions.promote("darkroom", "2", "because")
    capsys.readouterr()
    assert main(["compare", "1", "champion", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    one, other = predictions(0.6, 0), predictions(0.9, 1)
    right = [(table["label"] == table["predicted"]).to_numpy() for table in (one, other)]
    assert found["gained"] == right[1].sum() - right[0].sum() > 0
    assert found["images"] == 60
    assert found["p"] < 0.025
    assert found["scores"][0]["score"] == "accuracy"
    assert found["scores"][0]["difference"] == pytest.approx(right[1].mean() - right[0].mean())
    apart = one["image"][one["predicted"] != other["predicted"]].tolist()
    assert [row["image"] for row in found["disagreeing"]] == apart
    assert main(["compare", versions[0][:12], "models:/darkroom@champion", "--images", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"they disagree on {len(apart)}" in printed
    assert f"mlp {versions[0][:8]}" in printed
    assert versions[0] not in printed
    *_, first, second, page = printed.splitlines()
    assert [first.split()[0], second.split()[0]] == apart[:2]
    assert page == "page: reports/comparison/index.html"


def test_the_page_shows_the_images_that_are_answered_differently(versions, capsys):
    one, other = predictions(0.6, 0), predictions(0.9, 1)
    test = Path("data/prepared/test")
    test.mkdir(parents=True, exist_ok=True)
    # The first image is none of the current ones; the others lie in another order.
    current = one[1:][::-1]
    current[["sha256"]].to_parquet(test / "manifest.parquet")
    pixels = np.zeros((len(current), 4, 4, 1), dtype=np.uint8)
    pixels[:, 0, 0, 0] = current.index
    np.save(test / "images.npy", pixels)
    assert main(["compare", "1", "2", "--out", "pages/compared.html"]) == 0
    err = capsys.readouterr().err
    assert "1 of these images are not in data/prepared/test" in err
    page = Path("pages/compared.html").read_text()
    right = [table["label"] == table["predicted"] for table in (one, other)]
    assert f"<h2>Only 2 is correct: {(right[1] & ~right[0]).sum()}</h2>" in page
    assert f"<h2>Only 1 is correct: {(right[0] & ~right[1]).sum()}</h2>" in page
    assert "<h2>Both are wrong, with different predictions: 0</h2>" in page
    shown = re.findall(r'base64,([^"]+)"><figcaption><bdi>(\d+)\.png', page)
    assert {int(number) for _, number in shown} == set(one.index[one["predicted"] != other["predicted"]]) - {0}
    for picture, number in shown:
        # The right picture beside the name.
        assert np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))[0, 0] == int(number)
    assert "no image available" in page
    assert "<bdi>2: </bdi><bdi>a</bdi><bdi> (0.80)</bdi>" in page


def test_names_are_no_markup_on_the_page():
    labels = ("<i>a", "b")
    one, other = side(predictions(0.5, 0, labels=labels)), side(predictions(0.9, 1, labels=labels), "<b>two")
    found = compare.compare(one, other)
    page = compare_page.page("one", "<b>two", found, {})
    assert "<i>a" not in page
    assert "<b>" not in page
    assert "&lt;i&gt;a" in page


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match=r"have different classes \(c\)"):
        compare.compare(side(predictions(0.5, 0)), side(predictions(0.5, 0, labels=("a", "b", "c")), "two"))
    with pytest.raises(InputError, match="one was named twice"):
        compare.compare(side(predictions(0.5, 0)), side(predictions(0.5, 0)))
    with pytest.raises(InputError, match="no predicted test images in common"):
        compare.compare(side(predictions(0.5, 0)), side(predictions(0.5, 0, start=100), "two"))


def test_of_too_few_common_images_no_interval_is_known():
    tables = [predictions(0.9, seed).iloc[:4] for seed in (0, 1)]
    found = compare.compare(side(tables[0]), side(tables[1], "two"))
    assert found.images == 4
    assert [row["two"].split(" ", 1)[1] for row in found.rows] == ["(not known)"] * len(compare.SHOWN)


def test_images_whose_label_has_changed_are_no_comparison():
    other = predictions(0.9, 1)
    other.loc[:9, "label"] = "a"
    found = compare.compare(side(predictions(0.9, 0)), side(other, "two"))
    assert found.images == 55


def with_pictures(table, *, saved_again):
    """Add what earlier versions did not save."""
    picture = "e" + table["sha256"].str[1:]
    return table.assign(picture=picture, sha256="f" + table["sha256"].str[1:] if saved_again else table["sha256"])


def test_images_that_were_saved_again_are_the_same():
    one, other = with_pictures(predictions(0.9, 0), saved_again=False), predictions(0.6, 1)
    again = with_pictures(other, saved_again=True)
    found = compare.compare(side(one), side(again, "two"))
    assert found.images == 60
    assert found.disagreeing.index.name == "picture"
    assert found.disagreeing["image"].tolist() == one["image"][one["predicted"] != other["predicted"]].tolist()
    # One model's table is of a version that did not save pictures.
    with pytest.raises(InputError, match="no predicted test images in common"):
        compare.compare(side(predictions(0.9, 0)), side(again, "two"))
    assert compare.compare(side(one), side(other, "two")).images == 60


def crown(number, rule, how="decision"):
    """Make a version the champion as a decision does; return the champions of its life."""
    known = {int(version.version): version for version in registry_versions.versions("darkroom")}
    champions.promote_version("darkroom", known[number], how, "a reason", rule)
    found = lives.champions_of("darkroom", champions.current("darkroom"))
    return [int(version.version) for version in found.before], found.begun_with


def test_the_champions_of_a_life(versions, store):
    runs = store[1]
    assert crown(1, "first") == ([], runs[0])
    assert crown(2, "not_worse") == ([1], runs[0])
    assert crown(3, "better") == ([2, 1], runs[0])
    assert {int(version.version): why for version, why in lives.needed()}.keys() == {1, 2}
    # The same version again: each champion counts once.
    assert crown(2, "not_worse") == ([3, 1], runs[0])
    assert crown(4, "best") == ([], runs[3])
    # Of an earlier Darkroom version, the rule is not known.
    assert crown(3, "") == ([4], runs[3])
    assert crown(1, "", how="promote") == ([], runs[0])
    assert crown(2, "better", how="accept") == ([1], runs[0])


def told(candidate, champion):
    """What the registry tells of a decision between the models of two runs."""
    new, old = (Contender("mlp", run_id, None, None) for run_id in (candidate, champion))
    found = history(Decision("keep", "", new, old if champion else None), "darkroom")
    since = found["champion_since"]
    return {**found, "champion_since": since and f"{since['since']}: {since['why']}"}


def dated(number):
    """Replace the times of a version's promotions by their numbers."""
    found = [asdict(replace(one, since=f"promotion {place}")) for place, one in enumerate(records(number), start=1)]
    MlflowClient().set_model_version_tag("darkroom", number, champions.PROMOTION_RECORDS, json.dumps(found))


def test_what_the_registry_tells_of_the_models_of_a_decision(versions):
    one, two, three, _ = versions
    nothing = {"champion_since": None, "previous_champion": None, "no_previous_champion": None}
    assert told(one, None) == nothing | {"candidate_version": "1", "no_previous_champion": "this is the first version"}
    # The run of no version.
    assert told("another", one) == nothing | {
        "candidate_version": None,
        "previous_champion": {"version": "1", "run_id": one},
    }
    gone = "the previous version was deleted"
    assert told(one, "another") == nothing | {"candidate_version": "1", "no_previous_champion": gone}
    # The alias was set by another program.
    assert told(two, two)["no_previous_champion"] == "no previous champion is known"
    assert told("another", "another")["no_previous_champion"] == gone
    for number, reason in (("1", "first"), ("2", "second"), ("3", "third"), ("2", "again"), ("1", "last")):
        champions.promote("darkroom", number, reason)
    assert told(three, one)["champion_since"] is None
    assert told(three, one)["previous_champion"] == {"version": "1", "run_id": one}
    # Already the champion: the one that it has replaced last.
    dated("1")
    assert told(one, one) == nothing | {
        "candidate_version": "1",
        "champion_since": "promotion 2: last",
        "previous_champion": {"version": "2", "run_id": two},
    }
    champions.promote("darkroom", "2", "once more")
    dated("2")
    assert told(two, two)["champion_since"] == "promotion 3: once more"
    assert told(two, two)["previous_champion"] == {"version": "1", "run_id": one}


def test_the_first_champion_has_replaced_none(versions):
    champions.promote("darkroom", "1", "first")
    dated("1")
    found = told(versions[0], versions[0])
    assert (found["champion_since"], found["previous_champion"]) == ("promotion 1: first", None)
    assert found["no_previous_champion"] == "no previous champion is known"


def test_ten_records_of_a_version_are_kept_and_their_reasons_are_short(versions):
    for number in range(23):
        champions.promote("darkroom", "12"[number % 2], f"{number} " + 400 * "x")
    kept = records("1")
    assert [record.why.split()[0] for record in kept] == [str(number) for number in range(4, 23, 2)]
    assert {len(record.why) for record in kept} == {300}


def test_a_record_names_its_author_and_can_be_read_in_the_registry(versions, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    for name, expected in (("Ada Lovelace", "Ada Lovelace"), (" ", getpass.getuser())):
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", name)
        assert champions.current_user() == f"{expected} on {socket.gethostname()}"
    champions.promote("darkroom", "1", "größer")
    assert "größer" in MlflowClient().get_model_version("darkroom", "1").tags[champions.PROMOTION_RECORDS]


def test_a_rollback_leads_to_a_champion_that_another_program_made(versions):
    MlflowClient().set_registered_model_alias("darkroom", "champion", "3")
    champions.promote("darkroom", "2", "better")
    assert champions.rollback("darkroom", "it fails").version == 3
    with pytest.raises(InputError, match="no previous champion to roll back to"):
        champions.rollback("darkroom", "this one, too")


def test_the_diagnosis_of_the_champion(versions):
    champions.promote("darkroom", "1", "first")
    assert champions.describe("darkroom")["diagnosis"] == "unknown"
    MlflowClient().set_tag(versions[0], "diagnosis", "good fit")
    assert champions.describe("darkroom")["diagnosis"] == "good fit"
    MlflowClient().delete_tag(versions[0], "diagnosis")


def test_a_model_without_versions_has_none_to_promote(versions):
    with pytest.raises(InputError, match=r"^models:/nothing has no version 1; it has none$"):
        champions.promote("nothing", "1", "why not")


def test_the_challenger_is_promoted_by_its_alias(versions):
    champions.promote("darkroom", "1", "first")
    champions.promote("darkroom", "2", "second")
    assert champions.promote("darkroom", "challenger", "after all").version == 1
    assert aliases() == {"champion": "1", "challenger": "2"}
    assert champions.describe("darkroom")["after version"] == "2"
    assert champions.describe("darkroom")["diagnosis"] == "unknown"
    with pytest.raises(InputError, match="waits for no class to be accepted; leave out --accept"):
        champions.promote("darkroom", "2", "why", ["a class"])


def test_a_class_is_accepted_from_the_command_line(versions, capsys):
    crown(1, "first")
    MlflowClient().set_model_version_tag("darkroom", "2", "waits_for", '["7 up"]')
    assert main(["promote", "2", "--reason", "I looked"]) == 2
    assert 'run darkroom promote 2 --accept "7 up" --reason REASON' in capsys.readouterr().err
    assert main(["promote", "2", "--accept", "7 up", "--reason", "I looked"]) == 0
    assert champions.promotion_records(champions.current("darkroom"))[-1].how == "accept"
    MlflowClient().delete_model_version_tag("darkroom", "2", "waits_for")
