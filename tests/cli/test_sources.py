from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skvae.cli import build_parser
from skvae.cli._failures import UsageError
from skvae.cli._sources import read_rows
from skvae.datasets import write_idx


def read(*options, model=None):
    words = ["score", "m", "--data", *map(str, options)]
    return read_rows(build_parser().parse_args(words), model)


def test_digits_come_as_scikit_learn_has_them():
    X, y = load_digits(return_X_y=True)
    rows = read("digits", "--limit", 50)
    np.testing.assert_array_equal(rows.X, X[:50])
    assert rows.y.tolist() == [*map(str, y[:50])]


def test_mnist_comes_by_name_with_its_options(mnist):
    rows = read("mnist", "--subset", "test", "--image-size", 14, "--limit", 100)
    blocks = mnist.test.images[:100].reshape(100, 14, 2, 14, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(rows.X, blocks.reshape(100, -1), atol=1e-6)
    assert rows.y.tolist() == [*map(str, mnist.test.target[:100])]
    assert set(np.unique(read("mnist", "--binarize", "--limit", 10).X)) == {0, 1}


def test_emnist_letters_are_labelled_as_they_read(tmp_path, monkeypatch):
    folder = tmp_path / "emnist"
    folder.mkdir()
    write_idx(folder / "emnist-letters-train-images-idx3-ubyte", np.zeros((3, 28, 28), np.uint8))
    write_idx(folder / "emnist-letters-train-labels-idx1-ubyte", np.array([1, 3, 26], np.uint8))
    monkeypatch.setenv("SKVAE_DATA", str(tmp_path))
    with pytest.warns(UserWarning, match="holds other data than the official EMNIST"):
        assert read("emnist", "--split", "letters").y.tolist() == ["A", "C", "Z"]


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["t-images-idx3-ubyte", "t.idx3-ubyte.gz", "t.idx", "t.npy"])
def test_images_in_a_file_become_rows(tmp_path, name):
    write_idx(tmp_path / name, IMAGES) if "idx" in name else np.save(tmp_path / name, IMAGES)
    X = read(tmp_path / name).X
    np.testing.assert_array_equal(X, IMAGES.reshape(2, 12))
    assert X.dtype == np.uint8


def test_an_archive_gives_its_only_array_or_the_one_asked_for(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, A=np.ones((2, 3)))
    assert read(path).X.shape == (2, 3)
    np.savez(path, A=np.ones((2, 3)), B=np.ones((4, 5)))
    assert read(path, "--key", "B").X.shape == (4, 5)
    for options in ((), ("--key", "C")):
        with pytest.raises(UsageError, match="holds the arrays A, B: choose one with --key"):
            read(path, *options)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([["a", "b"]]), "holds <U1 of shape"),
        (np.ones((2, 2), complex), "holds complex128"),
        (np.ones(3), r"of shape \(3,\); expected numbers, one row a sample"),
        (np.ones((0, 3)), r"of shape \(0, 3\)"),
        (np.array([[1, np.nan], [np.inf, 2], [3, 4]]), "has nan in row 1, column 2; 2 of 3 rows"),
    ],
)
def test_an_array_that_is_no_table_of_numbers_is_refused(tmp_path, array, message):
    np.save(tmp_path / "t.npy", array)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "t.npy")


@pytest.mark.parametrize("ending", [".npy", ".npz", "-images-idx3-ubyte"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x93NUMPY\x01\x00", b"text"])
def test_a_damaged_file_is_named(tmp_path, ending, content):
    path = tmp_path / f"t{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} is not a sound"):
        read(path)


def test_pickled_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "t.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(ValueError, match="not a sound .npy file: Object arrays cannot be loaded"):
        read(tmp_path / "t.npy")


def test_a_table_without_rows_or_with_nan_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="holds no rows"):
        read(path)
    path.write_text("a,b\n1,2\n3,nan\n")
    with pytest.raises(ValueError, match="has nan in row 2, column 'b'"):
        read(path)


@pytest.mark.parametrize("source", ["t.txt", "t", "MNIST", "images.gz"])
def test_a_source_of_no_known_kind_is_wrong_usage(source):
    with pytest.raises(UsageError, match=f"--data {source} is no known source: expected digits"):
        read(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("digits", "--subset", "test"), "--subset is for mnist and emnist, not for --data digits"),
        (("t.csv", "--image-size", "14"), "--image-size is for"),
        (("t.npy", "--binarize"), "--binarize is for"),
        (("mnist", "--split", "letters"), "--split is for emnist"),
        (("t.npy", "--columns", "a"), "--columns is for .csv and .parquet"),
        (("t-idx3-ubyte", "--drop", "a"), "--drop is for"),
        (("mnist", "--target", "a"), "--target is for"),
        (("t.npy", "--key", "a"), "--key is for .npz"),
    ],
)
def test_an_option_for_other_sources_is_wrong_usage(options, message):
    with pytest.raises(UsageError, match=message):
        read(*options)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('kind,a,"b,c",d\nx,1,2,3\n')
    return path


def test_names_with_commas_stand_in_quotes(table):
    assert read(table, "--columns", 'd,"b,c"').names == ["d", "b,c"]


def test_a_model_takes_its_columns_by_name(table):
    model = SimpleNamespace(feature_names_in_=np.array(["d", "a"], dtype=object))
    rows = read(table, model=model)
    assert rows.names == ["d", "a"]
    assert rows.X.tolist() == [[3, 1]]
    for options in (("--columns", "a,d"), ("--drop", 'kind,"b,c"')):
        with pytest.raises(
            ValueError, match="the columns a, d, but the model was fitted with d, a"
        ):
            read(table, *options, model=model)
    model.feature_names_in_[0] = "e"
    with pytest.raises(ValueError, match="has no column 'e'"):
        read(table, model=model)
