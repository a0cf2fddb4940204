"""Tables in the terminal."""

from darkroom.reporting.tables import plain_table


def test_numbers_are_right_aligned_and_text_is_left_aligned():
    rows = [{"run": "12e5", "rate": 1.5, "images": 12345}, {"run": "a", "rate": 123.25, "images": ""}]
    assert plain_table(rows).splitlines() == ["run     rate  images", "12e5     1.5   12345", "a     123.25"]


def test_text_is_never_taken_for_a_number():
    assert plain_table([{"id": "12e5"}, {"id": "00123456"}]) == "id\n12e5\n00123456\n"
    assert plain_table([{"right": True}, {"right": False}]) == "right\nTrue\nFalse\n"


def test_thousands_lists_and_tables_without_a_head():
    assert plain_table([{"kernel": [3, 2.5], "parameters": 48120}], commas=True, head=False) == "3, 2.5  48,120\n"
    assert plain_table([]) == ""
