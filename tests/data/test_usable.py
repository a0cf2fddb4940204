"""How files that are left out are told."""

from darkroom.data.formats import manifest, usable


def test_a_name_is_told_in_one_line():
    rows = [("a\nb\x1b[2J.png", "a", "a\nb\x1b[2J.png is damaged", "repair it")]
    line = usable.left_out_line(manifest.quarantine_from_rows([]), manifest.quarantine_from_rows(rows))
    assert line == r"left out: 1 of 1 files: 1 (a\nb\u001b[2J.png): it is damaged"


def test_other_files_are_told_in_one_line():
    assert usable.others_line([]) == []
    assert usable.others_line(["x.mp4"]) == ["one other file is not read: x.mp4 has no extension of an image"]
    assert usable.others_line(["x\r.mp4", "y.mp4"]) == [
        r"2 other files are not read, such as x\r.mp4: they have no extension of an image"
    ]
