"""What later runs need to keep an image in its split: data/splits.csv, the thumbnails, and the families."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkroom.base.errors import InputError
from darkroom.data.formats import families
from darkroom.data.splitting import earlier, kept
from darkroom.data.splitting.kept import NOTHING, Line
from darkroom.params import PreprocessParams, SplitParams

PARAMS = PreprocessParams()
HEAD = "# splits of images by picture and file, for seed 0 and shares 0.6/0.2/0.2"
OLD_HEAD = "# splits of images by SHA-256, for seed 0 and shares 0.6/0.2/0.2"


def digits(number):
    return f"{number:x}" * 16


def images(*rows):
    """Current images: number of the picture, of the file, and split."""
    found = pd.DataFrame(rows, columns=["picture", "sha256", "split"])
    return found.assign(**{name: found[name].map(lambda number: digits(number) * 4) for name in ("picture", "sha256")})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "splits.csv"

    def written(*lines):
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return written


def lines(path):
    return path.read_text().splitlines()


def test_a_file_of_the_old_form_keeps_its_meaning_and_is_written_on(file):
    path = file(OLD_HEAD, f"{digits(1)},test", f"{digits(2)},train", f"{digits(3)},validation")
    found = kept.read(path, PARAMS)
    assert [found.split("", digits(number)) for number in (1, 2, 3, 4)] == ["test", "train", "validation", None]
    kept.write(path, images((10, 1, "test"), (12, 4, "train")), found, PARAMS)
    # File 1 has a picture now; 2 and 3 are not in the data and stay; 4 is new.
    assert lines(path) == [
        HEAD,
        f"-,{digits(2)},train",
        f"-,{digits(3)},validation",
        f"{digits(10)},{digits(1)},test",
        f"{digits(12)},{digits(4)},train",
    ]
    again = kept.read(path, PARAMS)
    assert [again.split("", digits(number)) for number in (1, 2, 3, 4)] == ["test", "train", "validation", "train"]
    # The picture of file 1 in another file.
    assert again.split(digits(10) * 4, digits(5) * 4) == "test"
    assert again.split("-", digits(5)) is None


def test_nothing_is_ever_removed_and_the_first_decision_stands(file):
    path = file(HEAD, f"{digits(1)},{digits(2)},test")
    kept.write(path, images((1, 3, "test"), (4, 2, "train")), kept.read(path, PARAMS), PARAMS)
    # A newer decoder gave file 2 another picture; it keeps its split.
    assert lines(path) == [
        HEAD,
        f"{digits(1)},{digits(2)},test",
        f"{digits(1)},{digits(3)},test",
        f"{digits(4)},{digits(2)},test",
    ]
    before = path.read_bytes()
    kept.write(path, images((1, 3, "test")), kept.read(path, PARAMS), PARAMS)
    assert path.read_bytes() == before


def test_a_picture_in_several_splits_counts_for_the_last_and_a_file_for_its_own(file):
    path = file(HEAD, f"{digits(1)},{digits(2)},train", f"{digits(1)},{digits(3)},validation")
    found = kept.read(path, PARAMS)
    assert found.split(digits(1), digits(2)) == "train"
    assert found.split(digits(1), digits(9)) == "validation"
    # A source that gives copies of one file to two splits.
    kept.write(path, images((5, 6, "test"), (5, 6, "train")), NOTHING, PARAMS)
    assert lines(path) == [HEAD, f"{digits(5)},{digits(6)},test"]


@pytest.mark.parametrize("head", [HEAD, OLD_HEAD])
@pytest.mark.parametrize(
    "params", [PreprocessParams(seed=1), PreprocessParams(split=SplitParams(train=0.5, validation=0.3, test=0.2))]
)
def test_another_seed_or_other_shares_start_over_and_say_so(file, head, params):
    found = kept.read(file(head), params)
    assert found.files == found.pictures == {}
    assert found.note.endswith("is for seed 0 and shares 0.6/0.2/0.2: all splits are assigned again")
    assert kept.read(file(head), PARAMS).note == ""


def test_another_use_of_given_validation_images_starts_over(file):
    path = file(HEAD, f"{digits(1)},{digits(2)},train")
    other = PreprocessParams(split=SplitParams(given_validation="test"))
    found = kept.read(path, other)
    assert found.note.endswith("is for seed 0 and shares 0.6/0.2/0.2: all splits are assigned again")
    kept.write(path, images((1, 2, "test")), found, other)
    assert kept.read(path, other).split("", digits(2)) == "test"
    assert kept.read(path, PARAMS).note


@pytest.mark.parametrize("head", ["# splits, form 9", "", "<<<<<<< HEAD", "picture,split", OLD_HEAD + " and more"])
def test_an_unknown_form_is_refused(file, head):
    with pytest.raises(InputError, match=r"line 1: .* is not the first line of a file of splits"):
        kept.read(file(head, f"{digits(1)},test"), PARAMS)


def test_an_empty_or_binary_file_is_refused(tmp_path):
    for content in (b"", b"\xff\xfe\x00"):
        (tmp_path / "splits.csv").write_bytes(content)
        with pytest.raises(InputError, match=r"line 1: .*delete the file to assign all splits again"):
            kept.read(tmp_path / "splits.csv", PARAMS)


ONE, TWO = digits(1), digits(2)


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (HEAD, "<<<<<<< HEAD"),
        (HEAD, f"{ONE},test"),
        (HEAD, f"{ONE},{TWO},test,train"),
        (HEAD, f"{ONE},{TWO},tests"),
        (HEAD, f"{ONE},-,test"),
        (HEAD, f"{ONE},{TWO}2,test"),
        (HEAD, f"{ONE[1:]},{TWO},test"),
        (HEAD, f"{ONE},{TWO[1:]}g,test"),
        (HEAD, ""),
        (OLD_HEAD, f"{ONE},{TWO},test"),
        (OLD_HEAD, "-,test"),
    ],
)
def test_a_malformed_line_is_named(file, head, line):
    good = f"{digits(5)},{digits(6)},train" if head == HEAD else f"{digits(6)},train"
    what = "a picture, a file and a split" if head == HEAD else "'.* is not a file and a split"
    with pytest.raises(InputError, match=rf"splits.csv, line 3: .*{what}, perhaps a merge conflict; restore one side"):
        kept.read(file(head, good, line), PARAMS)


def test_a_file_in_two_splits_is_refused(file):
    path = file(HEAD, f"-,{TWO},train", f"{ONE},{TWO},train", f"{digits(3)},{TWO},test")
    with pytest.raises(InputError, match=f"line 4: the file {TWO} is in test here and in train above.*delete one"):
        kept.read(path, PARAMS)


def test_windows_line_ends_and_a_missing_file_are_no_errors(tmp_path):
    path = tmp_path / "splits.csv"
    assert kept.read(path, PARAMS) == NOTHING
    path.write_bytes(f"{HEAD}\r\n{ONE},{TWO},test\r\n".encode())
    assert kept.read(path, PARAMS).lines == {Line(ONE, TWO, "test")}


def pictures(*numbers, bridges=(), current=()):
    thumbnails = np.array(numbers, dtype=np.uint8)[:, None, None] + np.arange(4, dtype=np.uint8).reshape(2, 2)
    return earlier.Pictures(
        [digits(one) * 4 for one in numbers], thumbnails, np.isin(numbers, bridges), np.isin(numbers, current)
    )


def same(one, other):
    return one.hashes == other.hashes and all(np.array_equal(*both) for both in zip(one[1:], other[1:], strict=True))


def test_thumbnails_are_read_as_they_were_written_and_equal_ones_are_equal_files(tmp_path):
    path = tmp_path / "new" / "data" / "pictures.parquet"
    assert earlier.read(path, 2).hashes == []
    assert [column.shape for column in earlier.read(path, 2)[1:]] == [(0, 2, 2), (0,), (0,)]
    earlier.write(path, pictures(3, 1, 2, 1, bridges=[2], current=[1, 2]))
    content = path.read_bytes()
    assert same(earlier.read(path, 2), pictures(1, 2, 3, bridges=[2], current=[1, 2]))
    earlier.write(path, earlier.read(path, 2))
    assert path.read_bytes() == content
    # No two thumbnails are equal: a dictionary of them would only take space.
    group = pq.read_metadata(path).row_group(0)
    assert not any(group.column(number).has_dictionary_page for number in range(group.num_columns))
    # Thumbnails of another size are of no use.
    assert earlier.read(path, 3).hashes == []
    assert earlier.read(path, 3).thumbnails.shape == (0, 3, 3)


def test_thumbnails_are_not_written_into_what_their_file_is_linked_to(tmp_path):
    earlier.write(tmp_path / "cached", pictures(1))
    content = (tmp_path / "cached").read_bytes()
    (tmp_path / "pictures.parquet").hardlink_to(tmp_path / "cached")
    earlier.write(tmp_path / "pictures.parquet", pictures(1, 2))
    assert (tmp_path / "cached").read_bytes() == content


def test_a_damaged_file_of_thumbnails_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "pictures.parquet"
    path.write_bytes(b"<<<<<<< HEAD")
    with pytest.raises(InputError, match=r"not a file of thumbnails \(.*\); restore it: dvc checkout"):
        earlier.read(path, 2)
    earlier.write(path, pictures(1))
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" + content[5:])
    with pytest.raises(
        InputError, match=r"^[^\n]*not a file of thumbnails \(Couldn't deserialize thrift[^\n]*\); restore"
    ):
        earlier.read(path, 2)
    pq.write_table(pa.table({"picture": ["a"]}), path)
    with pytest.raises(InputError, match=r"not a file of thumbnails \(other columns\)"):
        earlier.read(path, 2)


def test_earlier_pictures_follow_the_current_ones_if_they_have_a_split_and_are_gone():
    splits = kept.of_lines([Line(digits(number), digits(number), "test") for number in (1, 2, 4)])
    known = pictures(1, 2, 3, 4, 5, bridges=[1, 3, 4, 5], current=[1, 3, 4])
    current = pictures(5, 1, 5)
    found = earlier.with_current(current.hashes, current.thumbnails, known, splits)
    assert same(found, pictures(5, 1, 5, 2, 4, bridges=[1, 4], current=[5, 1, 4]))
    # 7 is gone and has no thumbnail; of 8 the file is there; 9 was never known by its picture.
    more = [Line(digits(7), digits(7), "test"), Line("-", digits(8), "test"), Line("-", digits(9), "test")]
    splits = kept.of_lines([*splits.lines, *more, Line(digits(2), digits(6), "test")])
    assert earlier.missing(splits, [digits(8) * 4], found) == 2
    assert earlier.missing(NOTHING, [], found) == 0


def test_pictures_that_went_and_came_are_counted_if_they_resemble_none():
    splits = kept.of_lines([Line(digits(number), digits(number), "test") for number in (1, 2, 3, 4, 5)])
    # Current: 1, 6 to 9; 9 is there twice. Gone: 2 to 5, of which 5 was gone before the last run.
    there = pictures(1, 6, 7, 8, 9, 9, 2, 3, 4, 5, current=[1, 6, 7, 8, 9, 2, 3, 4])
    # 6 resembles the gone 2, 7 the current 1; 3 resembles 4, which does not help; 8 resembles 9.
    families = np.array([0, 1, 0, 2, 2, 2, 1, 3, 3, 4])
    assert earlier.replaced(there, 6, families, splits) == (2, 2)
    assert earlier.replaced(there, 6, np.zeros(10, int), splits) == (0, 0)


def test_families_are_the_pictures_that_are_not_alone(tmp_path):
    found = families.table(["d", "b", "a", "c", "b", "e"], np.array([7, 3, 5, 3, 3, 7]))
    assert found.to_dict("list") == {"picture": ["b", "c", "d", "e"], "family": [0, 0, 1, 1]}
    families.write(found, tmp_path / "divided" / "families.parquet")
    pd.testing.assert_frame_equal(families.read(tmp_path / "divided" / "families.parquet"), found)
    # A picture that is there twice has no family of its own.
    nothing = families.table(["a", "a", "b"], np.array([0, 0, 1]))
    families.write(nothing, tmp_path / "none.parquet")
    read = families.read(tmp_path / "none.parquet")
    assert read.columns.tolist() == ["picture", "family"]
    assert (read["family"].dtype, len(read)) == ("int64", 0)
