"""Each expectation is broken once; the finding must say which and why."""

import errno
import html
import re
from html.parser import HTMLParser

import pytest

from darkroom.base.errors import InputError
from darkroom.base.terminal import shown
from darkroom.data.formats import manifest
from darkroom.data.validation import findings, pages, quick, rules
from darkroom.data.validation.expectations import Suites, validate
from darkroom.params import DataParams, ValidateParams
from support.pictures import ingested, write_folder

NOTHING = manifest.quarantine_from_rows([])


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    root = write_folder(tmp_path_factory.mktemp("images"), "ab", 25)
    return ingested(DataParams(source="folder", path=str(root)), tmp_path_factory.mktemp("ingested")).manifest


@pytest.fixture
def held(rows, tmp_path):
    def validation(change=None, learnt=(), unread=NOTHING, **params):
        changed = rows.copy()
        if change:
            changed = change(changed)
        of_params = rules.from_params(ValidateParams(**params))
        return validate(changed, unread, [*of_params, *learnt], Suites(tmp_path / "docs"))

    return validation


@pytest.fixture
def broken(held):
    def findings(*arguments, **params):
        return [finding for finding in held(*arguments, **params).findings if not finding.success]

    return findings


def setter(column, place, value):
    def change(rows):
        rows.loc[place, column] = value
        return rows

    return change


def test_sound_images_pass_and_the_data_docs_are_there(broken, tmp_path):
    assert broken() == []
    assert "<html" in (tmp_path / "docs" / "index.html").read_text().lower()


def test_the_first_page_links_to_all_others_without_a_script(broken, tmp_path):
    broken()
    docs = tmp_path / "docs"
    listed = re.search(r"<body><ul>(.*?)</ul>", (docs / "index.html").read_text())[1]
    others = {page.relative_to(docs).as_posix() for page in docs.rglob("*.html")} - {"index.html"}
    assert set(re.findall(r'href="(.*?)"', listed)) == others
    titles = re.findall(r">([^<]+)</a>", listed)
    assert {"Results of images", "Expectations of images"} <= set(titles)
    assert len(titles) == len(others)


def test_a_page_that_cannot_be_written_is_an_error(broken, monkeypatch):
    """Great Expectations logs it, and goes on without the page."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pages.EscapingView, "render", full)
    with pytest.raises(OSError, match="No space left"):
        broken()


@pytest.mark.slow
def test_equal_results_give_equal_pages(held, tmp_path):
    """Data Docs are an output that DVC compares: no time and no random id is in them."""
    pages = []
    for _ in range(2):
        held()
        folder = tmp_path / "docs"
        pages.append({page.relative_to(folder).as_posix(): page.read_bytes() for page in folder.rglob("*.html")})
    assert pages[0] == pages[1]
    assert len(pages[0]) == 5
    links = re.findall(r"'_table_row_link_path': '([^']+)'", pages[0]["index.html"].decode())
    assert set(links) == set(pages[0]) - {"index.html"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["550e8400-e29b-41d4-a716-446655440000.png", "2024-05-01T12:30:45Z.png"])
def test_names_that_look_like_ids_and_times_stay_in_the_pages(held, tmp_path, name):
    held(lambda rows: setter("mode", 0, "F")(setter("name", 0, f"a/{name}")(rows)))
    pages = [page.read_text() for page in (tmp_path / "docs" / "validations").rglob("*.html")]
    assert any(name in page for page in pages)


def test_a_mode(broken):
    (finding,) = broken(setter("mode", 3, "F"))
    assert finding.of == "image"
    assert finding.column == "mode"
    assert finding.offending == ("a/003.png",)
    assert "1 of 50 images have F (a/003.png)" in finding.line()


@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        (setter("label", 0, None), "label", "every image needs a label"),
        (setter("name", 0, "a/001.png"), "name", "image names must be unique"),
        (setter("width", 0, 1), "width", "4 to 20000 pixels"),
        (setter("height", 0, 30000), "height", "4 to 20000 pixels"),
        (setter("pixel_deviation", 0, 0.0), "pixel_deviation", "blank"),
        (
            setter("picture", slice(0, 9), "same"),
            "content",
            "at most a share of 0.05 of the images may be",
        ),
        (setter("picture", [0, 49], "same"), "labels_of_content", "two labels"),
    ],
)
def test_what_fails(broken, change, column, words):
    finding = next(finding for finding in broken(change) if finding.column == column)
    assert words in finding.line()
    assert "\n" not in finding.line()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (setter("label", 0, None), "it has no label"),
        (setter("width", 0, 1), "it is 1 px wide"),
        (setter("height", 0, 30000), "it is 30000 px high"),
        (setter("mode", 0, "F"), "its colour mode is F"),
        (setter("pixel_deviation", 0, 0.25), "it is blank: the contrast is 0.25"),
        (setter("picture", [0, 49], "same"), "the same picture is there with 2 labels"),
    ],
)
def test_the_quarantine_says_in_words_what_is_wrong(held, change, reason):
    first = held(change, maximum_quarantine_share=1.0).quarantine.iloc[0]
    assert (first["name"], first["reason"]) == ("a/000.png", reason)


@pytest.mark.slow
def test_unknown_and_missing_labels(broken):
    (finding,) = broken(labels=("a",))
    assert "25 of 50 images have b" in finding.line()
    assert "known labels are a" in finding.line()
    (finding,) = broken(labels=("a", "b", "c"))
    assert "no image of c" in finding.line()
    assert "add some" in finding.line()


@pytest.mark.slow
def test_the_size_of_classes(broken):
    (finding,) = broken(minimum_images_per_class=26)
    assert finding.offending == ("a", "b")
    assert "each class needs 26 images" in finding.line()
    few = broken(lambda rows: rows.drop(index=range(5)), maximum_class_ratio=1.2)
    assert few[0].of == "data"
    assert [finding.column for finding in few] == ["class_ratio"]
    assert few[0].offending == ("a",)


@pytest.mark.slow
def test_odd_images_are_left_out_and_the_others_are_held_together(held):
    validation = held(setter("pixel_deviation", [0, 1], 0.0), maximum_quarantine_share=0.04)
    assert validation.failed() == []
    assert validation.quarantine["name"].tolist() == ["a/000.png", "a/001.png"]
    assert validation.quarantine["remedy"].str.contains("must not be blank").all()
    # Without them, class a has 23 images.
    validation = held(setter("pixel_deviation", [0, 1], 0.0), minimum_images_per_class=24)
    assert [finding.column for finding in validation.failed()] == ["class_size"]
    assert validation.failed()[0].offending == ("a",)


@pytest.mark.slow
def test_the_share_of_files_that_are_left_out(held):
    unread = manifest.quarantine_from_rows([(f"a/{number}.jpg", "a", "damaged", "repair it") for number in range(3)])
    assert held(unread=unread, maximum_quarantine_share=0.06).failed() == []
    validation = held(unread=unread)
    assert [finding.column for finding in validation.failed()] == ["quarantined"]
    assert "0.0566 found: 3 (such as a/0.jpg): damaged; at most a share of 0.05" in validation.failed()[0].line()
    assert validation.quarantine["name"].tolist() == ["a/0.jpg", "a/1.jpg", "a/2.jpg"]
    (unreadable,) = [finding for finding in validation.findings if finding.column == "refusal"]
    assert unreadable.offending == ("a/0.jpg", "a/1.jpg", "a/2.jpg")


def test_what_is_learnt_holds_of_the_images_that_it_was_learnt_from(held, rows):
    assert [finding for finding in held(learnt=rules.learn(rows, "rules.json")).findings if not finding.success] == []


def test_images_of_one_brightness_keep_the_rule_that_is_learnt_of_it(held, rows):
    alike = rows.assign(red=127.03, green=127.97, blue=127.0)
    validation = held(lambda _: alike, rules.learn(alike, "rules.json"))
    assert [finding for finding in validation.findings if not finding.success] == []


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (setter("label", slice(0, 3), "c"), "label"),
        (lambda rows: rows.assign(red=rows["red"] - 60), "red"),
        (lambda rows: rows.drop(index=range(15)), "class_ratio"),
    ],
)
def test_data_unlike_the_first_stops(held, rows, change, column):
    failed = held(change, rules.learn(rows, "rules.json"), minimum_images_per_class=1).failed()
    assert column in {finding.column for finding in failed}
    assert all("rules.json" in finding.line() for finding in failed)


def test_an_image_of_a_size_unlike_the_first_is_left_out(held, rows):
    validation = held(setter("width", 7, 100), rules.learn(rows, "rules.json"))
    assert validation.failed() == []
    assert validation.quarantine["name"].tolist() == ["a/007.png"]


def test_learnt_rules_are_a_file_to_change(held, rows, tmp_path):
    data = DataParams(source="folder", path="photographs")
    path = tmp_path / "rules.json"
    assert rules.read_learnt(path, data) is None
    learnt = rules.learn(rows, "rules.json")
    rules.write_learnt(path, data, learnt)
    assert rules.read_learnt(path, data) == learnt
    # Of other images nothing has been learnt yet.
    assert rules.read_learnt(path, DataParams(source="folder", path="elsewhere")) is None
    path.write_text(path.read_text().replace('"max_value": 48', '"max_value": 20'))
    validation = held(learnt=rules.read_learnt(path, data))
    assert len(validation.quarantine) == 50


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rule: rule.pop("kwargs"), "'kwargs' is missing; expected data, and expectations with"),
        (lambda rule: rule.update(type="expect_nothing"), "unknown expectation 'expect_nothing'"),
        (lambda rule: rule["kwargs"].update(column="colour"), "on colour cannot be evaluated"),
        (lambda rule: rule["kwargs"].update(size=3), "is invalid: .*; correct it"),
    ],
)
def test_learnt_rules_that_make_no_sense(held, rows, tmp_path, change, words):
    data = DataParams(source="folder", path="photographs")
    learnt = rules.learn(rows, "rules.json")
    change(learnt[0])
    rules.write_learnt(tmp_path / "rules.json", data, learnt)
    with pytest.raises(InputError, match=words) as caught:
        held(learnt=rules.read_learnt(tmp_path / "rules.json", data))
    assert "\n" not in str(caught.value)


def _odd_images(rows):
    for column, place, value in (
        *(("width", [0, 30], 1), ("mode", 3, "F"), ("pixel_deviation", slice(5, 9), 0.0), ("label", 10, None)),
        *(("picture", [11, 49], "same"), ("picture", slice(12, 20), "copies")),
    ):
        rows.loc[place, column] = value
    return rows


def _another_class(rows):
    rows.loc[20:24, "label"] = "c"
    rows.loc[0, "name"] = "a/001.png"
    return rows.assign(red=rows["red"] - 60)


CHANGES = {"odd images": _odd_images, "another class": _another_class, "small classes": lambda rows: rows.iloc[22:35]}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_the_quick_check_finds_what_great_expectations_finds(rows, tmp_path, change):
    changed = CHANGES[change](rows.copy())
    learnt = rules.learn(rows, "rules.json")
    unread = manifest.quarantine_from_rows([(f"a/{number}.jpg", "a", "damaged", "repair it") for number in range(4)])
    unread.loc[3, "reason"] = manifest.UNLABELLED
    expected = [*rules.from_params(ValidateParams(labels=("a", "b"), maximum_class_ratio=1.2)), *learnt]
    slow = validate(changed, unread, expected, Suites(tmp_path / "docs"))
    fast = findings.validate(changed, unread, expected, quick.findings)
    # Great Expectations has an order of its own.
    assert sorted(finding.line() for finding in fast.failed()) == sorted(finding.line() for finding in slow.failed())
    outcomes = [sorted((one.expectation, one.column, one.success) for one in found.findings) for found in (fast, slow)]
    assert outcomes[0] == outcomes[1]
    assert fast.quarantine["name"].tolist() == slow.quarantine["name"].tolist()


def test_rules_that_the_quick_check_does_not_know_are_left_to_the_stage(rows):
    odd = rules.data_rule("expect_column_median_to_be_between", "width", "no", min_value=10**6)
    strict = rules.data_rule(rules.BETWEEN, "width", "no", min_value=10**6, strict_min=True)
    elsewhere = rules.data_rule(rules.BETWEEN, "colour", "no", min_value=10**6)
    assert quick.findings("data", rows, [odd, strict, elsewhere]) == []
    assert quick.findings("data", rows.head(0), rules.from_params(ValidateParams()))


def test_images_that_the_source_gives_no_label_do_not_count_as_damaged(held):
    unlabelled = [(f"test/{number}.png", "", manifest.UNLABELLED, "label it") for number in range(40)]
    validation = held(unread=manifest.quarantine_from_rows(unlabelled))
    assert validation.failed() == []
    assert len(validation.quarantine) == 40


class Structure(HTMLParser):
    """The tags and attributes of a page, without texts."""

    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, [name for name, _ in attrs]))


def structure_of(folder):
    """The structure of all pages."""
    parser = Structure()
    for page in sorted(folder.rglob("*.html")):
        parser.feed(page.read_text())
    return parser.tags


@pytest.fixture(scope="module")
def drawn(rows, tmp_path_factory):
    """Draw the Data Docs of images and classes that are named after a text, with each rule broken once."""

    def pages(name):
        changed = rows.copy()
        changed["label"] = changed["label"].replace("a", f"{name}a")
        changed.loc[[0, 1, 2, 3], "name"] = [f"a/{name}{number}.png" for number in (0, 1, 2, 2)]
        setter("width", 1, 1)(setter("mode", 0, "F")(changed))
        unread = manifest.quarantine_from_rows([(f"a/{name}.png", f"{name}a", f"cannot decode {name}", "repair")])
        of_params = rules.from_params(ValidateParams(labels=(f"{name}x", "b"), maximum_class_ratio=1))
        folder = tmp_path_factory.mktemp("docs")
        validate(changed, unread, of_params, Suites(folder))
        return folder

    return pages


@pytest.fixture(scope="module")
def plain_structure(drawn):
    return structure_of(drawn("plain"))


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=document.title='PWNED'>",
        "</script><script>alert(1)</script>",
        '" onmouseover="alert(1)',
        "<!-- ",
        "$column ${column} $$ &lt;b&gt;",
        "{{ 7*7 }} {% include 'x' %}",
        "\x1b[2J\u202egnp.\u200b",
    ],
)
def test_names_stay_texts_in_the_data_docs(drawn, plain_structure, name):
    folder = drawn(name)
    assert structure_of(folder) == plain_structure
    pages = "".join(page.read_text() for page in folder.rglob("*.html"))
    assert html.escape(f"a/{shown(name)}0.png") in pages
    assert not {"\x1b", "\u202e", "\u200b"} & set(pages)
