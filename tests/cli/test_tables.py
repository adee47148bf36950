import sys

import numpy as np
import pytest

from skvae.cli._failures import UsageError
from skvae.cli._tables import read_table

pa = pytest.importorskip("pyarrow", reason="Parquet is an extra")
pytest.importorskip("pyarrow.parquet")


def read_csv(path, text, columns=None, drop=(), target=None, limit=None):
    path.write_bytes(text.encode())
    return read_table(str(path), ".csv", columns, list(drop), target, limit)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.csv"


def test_a_csv_file_is_numbers_with_names(path):
    X, y, names = read_csv(path, '\ufeffa, "b, c" ,d\r\n1,2e-3,"3"\r\n\r\n4, 5 ,-6\r\n')
    np.testing.assert_array_equal(X, [[1, 0.002, 3], [4, 5, -6]])
    assert X.dtype == np.float64
    assert y is None
    assert names == ["a", "b, c", "d"]


def test_a_first_line_of_numbers_names_nothing(path):
    X, _, names = read_csv(path, "1,2\n3,4\n")
    np.testing.assert_array_equal(X, [[1, 2], [3, 4]])
    assert names is None
    with pytest.raises(ValueError, match="does not name its columns"):
        read_csv(path, "1,2\n3,4\n", drop=["a"])


TABLE = "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n"


def test_columns_are_chosen_by_name_and_in_order(path):
    X, _, names = read_csv(path, TABLE, columns=["b", "a"], limit=2)
    np.testing.assert_array_equal(X, [[2, 1], [4, 3]])
    assert names == ["b", "a"]
    assert read_csv(path, TABLE, drop=["kind", "a"])[2] == ["b"]


def test_the_target_is_kept_apart(path):
    X, y, names = read_csv(path, TABLE, target="kind", limit=2)
    np.testing.assert_array_equal(X, [[1, 2], [3, 4]])
    assert y.tolist() == ["x", "y"]
    assert names == ["a", "b"]
    y = read_csv(path, TABLE, target="a", drop=["kind"])[1]
    assert y.dtype == np.int64
    assert y.tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "is empty"),
        (TABLE, {}, r"line 2: not numeric: kind \('x'\). .*--drop kind.*--target"),
        ("a,b,c\n1,x,y\n", {}, r"not numeric: b \('x'\), c \('y'\).*--drop b,c"),
        ("a,b\n1,2\n3,\n", {}, "line 3: no value for b"),
        ("a,b\n1,2\n3\n", {}, "line 3: 1 values, where the first line has 2"),
        ("a,b\n1,2\n3,4,5\n", {}, "line 3: 3 values, where the first line has 2"),
        ("a,b\n1,5,2,3\n", {}, "line 2: 4 values"),  # a decimal comma
        ("a,a\n1,2\n", {}, "names two columns alike"),
        (TABLE, {"columns": ["a", "z"]}, "has no column 'z'; it has a, b, kind"),
        (TABLE, {"drop": ["z"]}, "has no column 'z'"),
        (TABLE, {"target": "z"}, "has no column 'z'"),
    ],
)
def test_a_csv_file_that_is_no_table_of_numbers_is_refused(path, text, options, message):
    with pytest.raises(ValueError, match=message):
        read_csv(path, text, **options)


def test_a_file_that_is_no_text_is_refused(path):
    path.write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(ValueError, match="not a sound CSV file"):
        read_table(str(path), ".csv", None, [], None, None)


def test_no_column_left_is_wrong_usage(path):
    with pytest.raises(UsageError, match="no column of .* is left"):
        read_csv(path, TABLE, drop=["a", "b", "kind"])


def read_parquet(path, table, **options):
    pa.parquet.write_table(pa.table(table), path)
    given = {"columns": None, "drop": [], "target": None, "limit": None} | options
    return read_table(str(path), ".parquet", **given)


@pytest.fixture
def parquet(tmp_path):
    return tmp_path / "t.parquet"


def test_a_parquet_file_is_read_alike(parquet):
    table = {"a": [1.5, 2.5, None], "b": [1, None, 3], "c": [True, False, None], "kind": [*"xyz"]}
    X, y, names = read_parquet(parquet, table, target="kind", limit=2)
    np.testing.assert_array_equal(X, [[1.5, 1, 1], [2.5, np.nan, 0]])
    assert y.tolist() == ["x", "y"]
    assert names == ["a", "b", "c"]
    X, _, names = read_parquet(parquet, table, columns=["b", "a"])
    np.testing.assert_array_equal(X, [[1, 1.5], [np.nan, 2.5], [3, np.nan]])


def test_narrow_numbers_of_a_parquet_file_stay_narrow(parquet):
    columns = {"a": np.arange(3, dtype=np.float32), "b": np.arange(3, dtype=np.uint8)}
    assert read_parquet(parquet, columns)[0].dtype == np.float32
    columns["c"] = np.arange(3.0)
    assert read_parquet(parquet, columns)[0].dtype == np.float64


def test_a_parquet_file_with_text_or_damage_is_refused(parquet):
    with pytest.raises(ValueError, match=r"not numeric: kind \('string'\)"):
        read_parquet(parquet, {"a": [1], "kind": ["x"]})
    parquet.write_bytes(b"PAR1 but not really")
    with pytest.raises(ValueError, match="Parquet"):
        read_table(str(parquet), ".parquet", None, [], None, None)


def test_without_pyarrow_its_name_and_a_way_round_are_given(parquet, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"need pyarrow.*skvae\[parquet\].*\.csv"):
        read_table(str(parquet), ".parquet", None, [], None, None)
