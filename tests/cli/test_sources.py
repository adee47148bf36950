import csv
import gzip
import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits

from skvae.cli import _table_files as table_files
from skvae.cli import build_parser
from skvae.cli._failures import UsageError
from skvae.cli._sources import check_source, read_rows
from skvae.datasets import write_idx


def read(*options, model=None):
    words = ["score", "m", "--data", *map(str, options)]
    arguments = build_parser().parse_args(words)
    check_source(arguments)
    return read_rows(arguments, model)


def test_digits_are_those_of_scikit_learn():
    X, y = load_digits(return_X_y=True)
    rows = read("digits", "--limit", 50)
    np.testing.assert_array_equal(rows.X, X[:50])
    assert rows.y.tolist() == [*map(str, y[:50])]


def test_mnist_is_read_with_its_options(mnist):
    rows = read("mnist", "--subset", "test", "--image-size", 14, "--limit", 100)
    blocks = mnist.test.images[:100].reshape(100, 14, 2, 14, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(rows.X, blocks.reshape(100, -1), atol=1e-6)
    assert rows.y.tolist() == [*map(str, mnist.test.target[:100])]
    assert set(np.unique(read("mnist", "--binarize", "--limit", 10).X)) == {0, 1}


def test_labels_of_emnist_letters_are_letters(tmp_path, monkeypatch):
    folder = tmp_path / "emnist"
    folder.mkdir()
    write_idx(folder / "emnist-letters-train-images-idx3-ubyte", np.zeros((3, 28, 28), np.uint8))
    write_idx(folder / "emnist-letters-train-labels-idx1-ubyte", np.array([1, 3, 26], np.uint8))
    monkeypatch.setenv("SKVAE_DATA", str(tmp_path))
    with pytest.warns(UserWarning, match="holds other data than the official EMNIST"):
        assert read("emnist", "--split", "letters").y.tolist() == ["A", "C", "Z"]


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["t-images-idx3-ubyte", "t.idx3-ubyte.gz", "t.idx", "t.npy"])
def test_images_of_a_file_become_rows_of_pixels(tmp_path, name):
    write_idx(tmp_path / name, IMAGES) if "idx" in name else np.save(tmp_path / name, IMAGES)
    X = read(tmp_path / name).X
    np.testing.assert_array_equal(X, IMAGES.reshape(2, 12))
    assert X.dtype == np.uint8


def test_the_array_of_an_archive_is_its_only_one_or_that_of_key(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, A=np.ones((2, 3)))
    assert read(path).X.shape == (2, 3)
    np.savez(path, A=np.ones((2, 3)), B=np.ones((4, 5)))
    assert read(path, "--key", "B").X.shape == (4, 5)
    for options in ((), ("--key", "C")):
        with pytest.raises(UsageError, match="contains the arrays A, B: choose one with --key"):
            read(path, *options)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([["a", "b"]]), "contains <U1 of shape"),
        (np.ones((2, 2), complex), "contains complex128"),
        (np.ones(3), r"of shape \(3,\); expected numbers, with one row per sample"),
        (np.ones((0, 3)), r"of shape \(0, 3\)"),
        (np.array([[1, np.nan], [np.inf, 2], [3, 4]]), "has inf in row 2, column 1; 1 of 3 rows"),
    ],
)
def test_an_array_that_is_not_a_table_of_finite_numbers_is_refused(tmp_path, array, message):
    np.save(tmp_path / "t.npy", array)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "t.npy")


@pytest.mark.parametrize(
    ("ending", "kind"), [(".npy", ".npy"), (".npz", ".npz"), ("-images-idx3-ubyte", "IDX")]
)
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x93NUMPY\x01\x00", b"text"])
def test_the_error_for_a_damaged_file_contains_its_name(tmp_path, ending, kind, content):
    path = tmp_path / f"t{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path} is not a \w+ {kind} file"):
        read(path)


def test_large_arrays_are_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr("skvae.cli._sources._MOST_READ", 100)
    X = np.random.default_rng(0).normal(size=(10, 2, 3))
    np.save(tmp_path / "t.npy", X)
    rows = read(tmp_path / "t.npy", "--limit", 7).X
    assert isinstance(rows, np.memmap)
    np.testing.assert_array_equal(rows, X.reshape(10, 6)[:7])


def test_pickled_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "t.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(ValueError, match="not a valid .npy file: it contains object of shape"):
        read(tmp_path / "t.npy")


def test_a_table_with_infinity_or_without_rows_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="contains no rows"):
        read(path)
    path.write_text("a,b\n1,2\n3,inf\n")
    with pytest.raises(ValueError, match="has inf in row 2, column 'b'"):
        read(path)


@pytest.mark.parametrize("source", ["t.txt", "t", "MNIST", "images.gz", "t.parquet.gz", "csv"])
def test_an_unknown_kind_of_source_is_wrong_usage(source):
    with pytest.raises(UsageError, match=f"--data {source} is not a known source; expected digits"):
        read(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("digits", "--subset", "test"),
            "--subset applies to mnist and emnist, not to --data digits",
        ),
        (("t.csv", "--image-size", "14"), "--image-size applies to"),
        (("t.npy", "--binarize"), "--binarize applies to"),
        (("mnist", "--split", "letters"), "--split applies to emnist"),
        (("t.npy", "--columns", "a"), "--columns applies to .csv and .parquet"),
        (("t-idx3-ubyte", "--drop", "a"), "--drop applies to"),
        (("mnist", "--target", "a"), "--target applies to"),
        (("t.npy", "--key", "a"), "--key applies to .npz"),
    ],
)
def test_an_option_of_other_sources_is_wrong_usage(options, message):
    with pytest.raises(UsageError, match=message):
        read(*options)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('kind,a,"b,c",d\nx,1,2,3\n')
    return path


def test_quoted_names_may_contain_commas(table):
    assert read(table, "--columns", 'd,"b,c"').names == ["d", "b,c"]


def test_the_columns_of_the_model_are_read_by_name(table):
    model = SimpleNamespace(feature_names_in_=np.array(["d", "a"], dtype=object), _schema=None)
    rows = read(table, model=model)
    assert rows.names == ["d", "a"]
    assert rows.X.tolist() == [[3, 1]]
    for options in (("--columns", "a,d"), ("--drop", 'kind,"b,c"')):
        with pytest.raises(ValueError, match="are a, d, but the model was fitted with d, a"):
            read(table, *options, model=model)
    model.feature_names_in_[0] = "e"
    with pytest.raises(ValueError, match="has no column 'e'"):
        read(table, model=model)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32).map(float)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1).filter(
    lambda name: not table_files._is_number(name, decimal_comma=True)
)


@given(data=st.data(), delimiter=st.sampled_from(",;\t"), named=st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_table_is_read_whatever_separates_its_values(tmp_path_factory, data, delimiter, named):
    n_rows, n_columns = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 4))
    X = data.draw(arrays(np.float64, (n_rows, n_columns), elements=NUMBERS))
    comma = delimiter == ";" and data.draw(st.booleans())
    header = data.draw(st.lists(NAMES, min_size=n_columns, max_size=n_columns, unique=True))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL if named else 0)
    if named:
        writer.writerow(header)
    writer.writerows([str(value).replace(".", "," if comma else ".") for value in row] for row in X)
    ending = ".tsv" if delimiter == "\t" and data.draw(st.booleans()) else ".csv"
    packed = data.draw(st.sampled_from(["", ".gz"]))
    path = tmp_path_factory.getbasetemp() / f"table{ending}{packed}"
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    rows = read(path)
    np.testing.assert_array_equal(rows.X, X)
    assert rows.names == (header if named else None)


def test_a_table_is_read_from_standard_input(tmp_path, monkeypatch):
    (tmp_path / "table").write_text("a;b\n1,5;x\n2,5;y\n")
    with open(tmp_path / "table") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        rows = read("-", "--target", "b")
        assert (rows.X.tolist(), rows.y.tolist(), rows.names) == ([[1.5], [2.5]], ["x", "y"], ["a"])
        stdin.seek(0)
        with pytest.raises(ValueError, match=r"standard input, line 2: not numeric: b \('x'\)"):
            read("-")
        assert not stdin.closed


@pytest.mark.parametrize(
    "content",
    [b"a,b\n1,2\n", gzip.compress(b"1,2\n" * 99, mtime=0)[:-9], b""],
    ids=["text", "cut off", "empty"],
)
def test_a_damaged_gzip_file_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "t.csv.gz").write_bytes(content)
    with pytest.raises(ValueError, match="t.csv.gz is (not a valid CSV file|empty)"):
        read(tmp_path / "t.csv.gz")


@pytest.mark.parametrize(
    ("name", "content", "options", "error", "message"),
    [
        ("t.csv", b"a,b\n", ("--target", "c"), ValueError, "has no column 'c'"),
        ("t.csv", b"", (), ValueError, "is empty"),
        ("t.npy", b"text", (), ValueError, "not a valid .npy file"),
        ("t.npz", b"text", (), ValueError, "not a valid .npz file"),
        ("t-idx3-ubyte", None, (), FileNotFoundError, "No such file"),
        ("t.csv.gz", None, (), FileNotFoundError, "No such file"),
    ],
)
def test_the_beginning_of_a_file_is_checked_before_any_work(
    tmp_path, name, content, options, error, message
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    words = ["score", "m", "--data", str(tmp_path / name), *options]
    with pytest.raises(error, match=message):
        check_source(build_parser().parse_args(words))
