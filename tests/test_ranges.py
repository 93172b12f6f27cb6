"""Numbers as one writes them: 0,3,8-12."""

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.ranges import listed, numbers
from corinfomax.toml import tables


@pytest.mark.parametrize(
    ("text", "theory"),
    [("0", [0]), ("0,3,8-12", [0, 3, 8, 9, 10, 11, 12]), (" 2 , 1-1", [2, 1]), ("3-4,0", [3, 4, 0])],
)
def test_numbers_are_read_in_their_order(text, theory):
    """Numbers and ranges, both ends included, with or without spaces; exact."""
    assert numbers(text) == theory


def test_what_is_listed_is_read_again():
    """`numbers` of `listed` gives the numbers back, sorted, and runs are written as ranges; property, exact."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        cells = rng.choice(30, size=rng.integers(1, 20), replace=False).tolist()
        assert numbers(listed(cells)) == sorted(cells)
    assert listed([4, 0, 5, 6]) == "0,4-6"
    assert listed(None) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "numbers and ranges, such as") for text in ("", "a", "-1", "3-1", "0,,1", "1-", "²", "1.5")),
        ("12", "from 0 to 11"),
        ("0-999999999999", "from 0 to 11"),
    ],
)
def test_what_is_no_number_is_refused(text, words):
    """What cannot be read, and numbers beyond the count, say what it should be."""
    with pytest.raises(ValueError, match=words):
        numbers(text, 12)
    with pytest.raises(ValueError, match="below 10000000"):
        numbers("0-999999999999")


def test_toml_that_cannot_be_read_is_named():
    """A document that is no TOML, or nested too deeply, is one line with its source."""
    assert tables("a = [1, 2]\n[b]\nc = 0.5", "file") == {"a": [1, 2], "b": {"c": 0.5}}
    for text in ("a = ", "a = 1\na = 2", "a = " + "[" * 5000):
        with pytest.raises(ParameterError, match=r"^file: not a readable TOML file") as caught:
            tables(text, "file")
        assert "\n" not in str(caught.value)
