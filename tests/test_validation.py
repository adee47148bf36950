"""Checks of small numbers and of folders."""

import numpy as np
import pytest

from skvae._validation import check_count, require_folder


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None])
def test_a_count_is_a_positive_integer(value):
    with pytest.raises(ValueError, match=f"'n' must be an integer of at least 1, got {value!r}"):
        check_count("n", value)
    check_count("n", np.int64(3))


def test_a_file_in_a_missing_folder_is_refused_by_the_name_of_the_folder(tmp_path):
    require_folder(tmp_path / "file")
    require_folder("file")
    folder = tmp_path / "nowhere" / "deep"
    with pytest.raises(FileNotFoundError, match=f"'{folder}' does not exist; create it") as caught:
        require_folder(folder / "file")
    assert caught.value.filename == str(folder / "file")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=f"'{tmp_path / 'file'}' is a file; choose"):
        require_folder(tmp_path / "file" / "inner")
