"""How a CSV file writes its numbers: marks of thousands and of decimals."""

import pytest

from absentia.data.csv.format import CSVFormat


@pytest.mark.parametrize(
    ("form", "field", "value"),
    [
        (CSVFormat(thousands=","), "1,200", 1200),
        (CSVFormat(thousands=","), "12,34,567.5", 1234567.5),
        (CSVFormat(thousands=","), "36,6", None),
        (CSVFormat(decimal=",", thousands="."), "1.234,5", 1234.5),
        (CSVFormat(decimal=",", thousands=" "), "1 234,5", 1234.5),
        (CSVFormat(decimal=","), "36.6", None),
        (CSVFormat(), "1_000", None),
        (CSVFormat(), " -.5e3 ", -500.0),
        (CSVFormat(), "0x10", None),
    ],
)
def test_marks_of_numbers(form, field, value):
    assert form.is_number(field) == (value is not None)
    if value is not None:
        assert form.number_of(field) == value
