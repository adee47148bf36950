import csv
import gzip
import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from skvae.cli._failures import UsageError
from skvae.cli._outputs import PICTURES, TABLES, check_output, write_picture, write_rows
from skvae.cli._sources import _kind
from skvae.cli._table_files import read_table

NAMES = ["a", "b, c"]


TEXTS = {".csv": ",", ".tsv": "\t", ".csv.gz": ",", ".tsv.gz": "\t"}


def read(path):
    """The table in a file, as a command reads it."""
    return read_table(str(path), _kind(str(path)))[:3]


def rows(dtype):
    X = np.random.default_rng(0).standard_normal((50, 2)) * [1e-30, 1e8]
    X[0] = 0, -1
    return X.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ending", TABLES)
def test_written_rows_are_read_back_exactly(tmp_path, ending, dtype):
    path, X = tmp_path / f"x{ending}", rows(dtype)
    write_rows(str(path), X, NAMES, "X")
    if ending in (*TEXTS, ".parquet"):
        found, _, names = read(path)
        assert names == NAMES
    else:
        found = np.load(path)
        found = found["X"] if ending == ".npz" else found
        assert found.dtype == dtype
    np.testing.assert_array_equal(found.astype(dtype), X)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", TABLES)
def test_a_vector_is_written_as_one_column(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    write_rows(str(path), np.arange(3.0), ["score"], "scores")
    if ending in (*TEXTS, ".parquet"):
        found = read(path)[0][:, 0]
    else:
        found = np.load(path)
        found = found["scores"] if ending == ".npz" else found
    np.testing.assert_array_equal(found, [0, 1, 2])
    if ending == ".csv":
        assert path.read_text() == "score\n0\n1\n2\n"


@pytest.mark.parametrize("ending", [*TEXTS, ".TSV", ".Csv.GZ"])
def test_the_ending_chooses_delimiter_and_compression(tmp_path, ending):
    path = tmp_path / f"a.b{ending}"
    write_rows(str(path), np.array([[0.5, -1.0]]), NAMES, "X")
    opened = gzip.open if ending.lower().endswith(".gz") else open
    with opened(path, "rt", newline="") as file:
        lines = [*csv.reader(file, delimiter=TEXTS[ending.lower()])]
    assert lines == [NAMES, ["0.5", "-1"]]
    before = path.read_bytes()
    write_rows(str(path), np.array([[0.5, -1.0]]), NAMES, "X")
    assert path.read_bytes() == before
    found, _, names = read(path)
    np.testing.assert_array_equal(found, [[0.5, -1.0]])
    assert names == NAMES


def test_a_dash_writes_csv_to_stdout(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    write_rows("-", np.array([[0.5, -1.0]], np.float32), NAMES, "X")
    assert sys.stdout.getvalue() == 'a,"b, c"\n0.5,-1\n'


def test_a_failed_write_leaves_the_previous_file(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_rows(str(path), np.ones((2, 1)), ["\udcff"], "X")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]


def test_a_symbolic_link_is_followed_and_kept(tmp_path):
    (tmp_path / "link.npy").symlink_to(tmp_path / "x.npy")
    write_rows(str(tmp_path / "link.npy"), np.ones((2, 2)), NAMES, "X")
    assert (tmp_path / "link.npy").is_symlink()
    assert np.load(tmp_path / "x.npy").shape == (2, 2)


@pytest.mark.parametrize(
    ("ending", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_the_ending_decides_the_format_of_a_picture(tmp_path, ending, start):
    import matplotlib.pyplot as plt

    figure = plt.figure()
    write_picture(str(tmp_path / f"x{ending}"), SimpleNamespace(figure_=figure), 50)
    assert (tmp_path / f"x{ending}").read_bytes().startswith(start)
    assert not plt.fignum_exists(figure.number)


def check(output, endings=TABLES, json=False):
    check_output(SimpleNamespace(output=str(output), json=json), endings)


def test_an_output_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"x\.txt must end in \.png, \.pdf, \.svg"):
        check(tmp_path / "x.txt", PICTURES)
    with pytest.raises(UsageError, match="must end in"):
        check("-", PICTURES)
    with pytest.raises(UsageError, match="both write to stdout"):
        check("-", json=True)
    with pytest.raises(UsageError, match="exists and is not a file"):
        check(tmp_path, None)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; create it first"):
        check(tmp_path / "nowhere" / "x.csv")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="cannot be written"):
        check(tmp_path / "file" / "x.csv")
    check(tmp_path / "X.CSV")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_an_output_in_a_read_only_folder_is_refused(unwritable):
    with pytest.raises(PermissionError, match="cannot be written"):
        check(unwritable / "x.csv")


def test_a_parquet_output_without_pyarrow_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match="needs .*'pyarrow'"):
        check(tmp_path / "x.parquet")
