import os
import sys

import numpy as np
import pandas as pd
import pytest

from skvae._rows.table import TableSchema
from skvae.cli._failures import UsageError
from skvae.cli._table_files import Choice, read_table


def read_csv(path, text, columns=None, drop=(), target=None, limit=None):
    path.write_bytes(text.encode())
    return read_table(str(path), ".csv", Choice(columns, tuple(drop), target), limit)[:3]


@pytest.fixture
def csv_path(tmp_path):
    return tmp_path / "t.csv"


def test_a_csv_file_is_read_as_numbers_with_names(csv_path):
    X, y, names = read_csv(csv_path, '\ufeffa, "b, c" ,d\r\n1,2e-3,"3"\r\n\r\n4, 5 ,-6\r\n')
    np.testing.assert_array_equal(X, [[1, 0.002, 3], [4, 5, -6]])
    assert X.dtype == np.float64
    assert y is None
    assert names == ["a", "b, c", "d"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;2\n-3;4,25\n", [[1.5, 2], [-3, 4.25]]),
        ("1,5;2\n-3;4,25\n", [[1.5, 2], [-3, 4.25]]),
        ("1,5;2,5;3,5\n", [[1.5, 2.5, 3.5]]),
        ("a\tb\n1.5\t2\n", [[1.5, 2]]),
        ('"a;b",c\n1,2\n', [[1, 2]]),
        ("a;b,c,d\n1,2,3\n", [[1, 2, 3]]),
        ("\n\na;b\n1;2\n", [[1, 2]]),
        ("a\n1\n2\n", [[1], [2]]),
        ("a,b\nTrue,1\nFALSE,2\n", [[1, 1], [0, 2]]),
        ("a,b\nyes,no\n 0 , Yes \n", [[1, 0], [0, 1]]),
        ("True,1\nfalse,2\n", [[1, 1], [0, 2]]),
    ],
)
def test_delimiters_decimal_commas_and_words_for_numbers(csv_path, text, expected):
    assert read_csv(csv_path, text)[0].tolist() == expected


@pytest.mark.parametrize("gap", ["", "NA", "nan", "null"])
def test_gaps_are_nan(csv_path, gap):
    nan = np.nan
    X, y, names = read_csv(csv_path, f"a;b;c\n1,5;{gap};x\n{gap};2;{gap}\n", target="c")
    np.testing.assert_array_equal(X, [[1.5, nan], [nan, 2]])
    assert (names, y.tolist()) == (["a", "b"], ["x", gap])
    np.testing.assert_array_equal(read_csv(csv_path, f"1,{gap}\n3,4\n")[0], [[1, nan], [3, 4]])


@pytest.mark.parametrize("gap", ["", "NA", "nan"])
@pytest.mark.parametrize("text", ["a,b\n1,0.5\n{},2\n3,{}\n", "a,b\n{},0.5\n2,2\n3,{}\n"])
def test_whole_numbers_with_gaps_stay_whole_in_a_frame(csv_path, text, gap):
    csv_path.write_text(text.format(gap, gap))
    frame = read_table(str(csv_path), ".csv", text=True).X
    assert frame.dtypes.astype(str).to_list() == ["Int64", "float64"]
    assert frame.isna().to_numpy().sum() == 2
    again = read_table(str(csv_path), ".csv", schema=TableSchema.learn(frame)).X
    pd.testing.assert_frame_equal(again, frame)
    csv_path.write_text("a,b\n1,2\n3,4\n")
    X = read_table(str(csv_path), ".csv", schema=TableSchema.learn(frame)).X
    assert isinstance(X, np.ndarray)


@pytest.mark.parametrize("text", [False, True])
def test_a_text_may_stand_for_gaps_of_features(csv_path, text):
    csv_path.write_text("name,a,b\n?, ?,2\ny,3,?\n")
    rows = read_table(str(csv_path), ".csv", Choice(id="name"), text=text, missing="?")
    X = pd.DataFrame(rows.X).astype(float)
    np.testing.assert_array_equal(X, [[np.nan, 2], [3, np.nan]])
    assert rows.ids.tolist() == ["?", "y"]
    assert isinstance(rows.X, pd.DataFrame) == text


def test_a_line_of_words_alone_names_columns(csv_path):
    X, _, names = read_csv(csv_path, "yes,no\n1,0\n")
    assert (names, X.tolist()) == (["yes", "no"], [[1, 0]])


def test_words_for_numbers_stay_labels_of_a_target(csv_path):
    assert read_csv(csv_path, "a,b\n1,yes\n2,no\n", target="b")[1].tolist() == ["yes", "no"]


def test_names_in_the_advice_are_as_the_shell_takes_them(csv_path):
    with pytest.raises(ValueError, match=r"""--drop 'a b,"c,d"', or use"""):
        read_csv(csv_path, 'a b,"c,d",e\nx,y,3\n')


def test_a_csv_file_may_lack_names(csv_path):
    X, _, names = read_csv(csv_path, "1,2\n3,4\n")
    np.testing.assert_array_equal(X, [[1, 2], [3, 4]])
    assert names is None
    with pytest.raises(ValueError, match="does not name its columns"):
        read_csv(csv_path, "1,2\n3,4\n", drop=["a"])


TABLE = "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n"


def test_columns_are_read_in_the_order_of_the_option(csv_path):
    X, _, names = read_csv(csv_path, TABLE, columns=["b", "a"], limit=2)
    np.testing.assert_array_equal(X, [[2, 1], [4, 3]])
    assert names == ["b", "a"]
    assert read_csv(csv_path, TABLE, drop=["kind", "a"])[2] == ["b"]


def test_the_target_is_not_a_feature(csv_path):
    X, y, names = read_csv(csv_path, TABLE, target="kind", limit=2)
    np.testing.assert_array_equal(X, [[1, 2], [3, 4]])
    assert y.tolist() == ["x", "y"]
    assert names == ["a", "b"]
    y = read_csv(csv_path, TABLE, target="a", drop=["kind"])[1]
    assert y.dtype == np.int64
    assert y.tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "is empty"),
        (TABLE, {}, r"line 2: not numeric: kind \('x'\). .*--drop kind.*--target"),
        ("a,b,c\n1,x,y\n", {}, r"not numeric: b \('x'\), c \('y'\).*--drop b,c"),
        ("a,b\n1,2\n3\n", {}, "line 3: 1 values, but the first line has 2"),
        ("a,b\n1,2\n3,4,5\n", {}, "line 3: 3 values, but the first line has 2"),
        ("a,b\n1,5,2,3\n", {}, "line 2: 4 values"),  # a decimal comma
        ("a,a\n1,2\n", {}, "has two columns of the same name: a, a"),
        (TABLE, {"columns": ["a", "z"]}, "has no column 'z'; its columns are a, b, kind"),
        (TABLE, {"drop": ["z"]}, "has no column 'z'"),
        (TABLE, {"target": "z"}, "has no column 'z'"),
    ],
)
def test_a_csv_file_that_is_not_a_table_of_numbers_is_refused(csv_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        read_csv(csv_path, text, **options)


def test_a_csv_file_that_is_not_text_is_refused(csv_path):
    csv_path.write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(ValueError, match="not a valid CSV file"):
        read_table(str(csv_path), ".csv")


def test_leaving_out_all_columns_is_wrong_usage(csv_path):
    with pytest.raises(UsageError, match="leave no column of .* to read"):
        read_csv(csv_path, TABLE, drop=["a", "b", "kind"])


def read_parquet(path, table, **options):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is optional")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(table), path)
    limit = options.pop("limit", None)
    return read_table(str(path), ".parquet", Choice(**options), limit)[:3]


@pytest.fixture
def parquet(tmp_path):
    return tmp_path / "t.parquet"


def test_a_parquet_file_is_read_like_a_csv_file(parquet):
    table = {"a": [1.5, 2.5, None], "b": [1, None, 3], "c": [True, False, None], "kind": [*"xyz"]}
    X, y, names = read_parquet(parquet, table, target="kind", limit=2)
    np.testing.assert_array_equal(X, [[1.5, 1, 1], [2.5, np.nan, 0]])
    assert y.tolist() == ["x", "y"]
    assert names == ["a", "b", "c"]
    X, _, names = read_parquet(parquet, table, columns=["b", "a"])
    np.testing.assert_array_equal(X, [[1, 1.5], [np.nan, 2.5], [3, np.nan]])


def test_a_parquet_file_with_gaps_may_be_a_frame(parquet):
    read_parquet(parquet, {"a": [1, None, 3], "b": [1.5, 2.5, 3.5]})
    table = read_table(str(parquet), ".parquet", text=True).X
    assert [str(kind) for kind in table.schema.types] == ["int64", "double"]
    assert table["a"].to_pylist() == [1, None, 3]


def test_a_parquet_file_is_float32_if_that_is_exact(parquet):
    columns = {"a": np.arange(3, dtype=np.float32), "b": np.arange(3, dtype=np.uint8)}
    assert read_parquet(parquet, columns)[0].dtype == np.float32
    columns["c"] = np.arange(3.0)
    assert read_parquet(parquet, columns)[0].dtype == np.float64


def test_a_damaged_parquet_file_or_one_with_text_is_refused(parquet):
    with pytest.raises(ValueError, match=r"not numeric: kind \('string'\)"):
        read_parquet(parquet, {"a": [1], "kind": ["x"]})
    parquet.write_bytes(b"PAR1 but not really")
    with pytest.raises(ValueError, match="Parquet"):
        read_table(str(parquet), ".parquet")


def test_without_pyarrow_the_error_tells_how_to_install_it(parquet, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"needs .*'pyarrow'.*skvae\[parquet\].*\.csv"):
        read_table(str(parquet), ".parquet")


TEXT = "id;name;born;vip;owes\n007;ann;2001-02-03;True;1,5\n008;bob;2003-04-05;False;2\n"


def test_a_table_of_text_is_read_as_a_frame_if_that_is_allowed(csv_path):
    csv_path.write_text(TEXT)
    rows = read_table(str(csv_path), ".csv", Choice(target="name", id="id"), text=True)
    expected = pd.DataFrame(
        {
            "born": pd.to_datetime(["2001-02-03", "2003-04-05"]),
            "vip": [True, False],
            "owes": [1.5, 2],
        }
    )
    pd.testing.assert_frame_equal(rows.X, expected, check_dtype=False)
    assert (rows.y.tolist(), rows.ids.tolist()) == (["ann", "bob"], ["007", "008"])
    assert rows.names == ["born", "vip", "owes"]


def test_a_table_of_numbers_is_the_same_array_where_text_is_allowed(csv_path):
    csv_path.write_text("a,b\n1,2.5\n3,1e-3\n")
    numbers = read_table(str(csv_path), ".csv")
    allowed = read_table(str(csv_path), ".csv", text=True)
    np.testing.assert_array_equal(allowed.X, numbers.X)
    assert isinstance(allowed.X, np.ndarray)
    assert (allowed.X.dtype, allowed.names) == (numbers.X.dtype, numbers.names)


@pytest.mark.parametrize("first", ["1", "True", ""])
def test_text_may_appear_in_any_row(csv_path, first):
    csv_path.write_text(f"a,b\n{first},2\n" + "1,3\n" * 20 + "x,4\n")
    rows = read_table(str(csv_path), ".csv", text=True)
    assert rows.X["a"].iloc[-1] == "x"
    assert len(rows.X) == 22
    assert len(read_table(str(csv_path), ".csv", limit=5, text=True).X) == 5


def test_a_pipe_is_read_again_from_its_start(monkeypatch):
    receiver, sender = os.pipe()
    with open(sender, "w") as file:
        file.write("a,b\n1,2\n3,x\n")
    with open(receiver) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        frame = read_table("-", ".csv", text=True).X
    assert frame.to_dict("list") == {"a": [1, 3], "b": ["2", "x"]}


@pytest.mark.parametrize(
    ("text", "kwargs", "message"),
    [
        ("a,b\n1,x\n2\n", {}, "line 3: 1 values, but the first line has 2"),
        ("1,yes\n2,maybe\n", {}, "does not name its columns in its first line"),
    ],
)
def test_a_broken_table_of_text_is_refused(csv_path, text, kwargs, message):
    csv_path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_table(str(csv_path), ".csv", text=True, **kwargs)


def test_identifiers_stay_as_they_were_written(csv_path):
    csv_path.write_text("a,id,x\n1,7,2\n3,8,4\n")
    rows = read_table(str(csv_path), ".csv", Choice(id="id"))
    assert (rows.ids.tolist(), rows.names, rows.X.tolist()) == (
        [7, 8],
        ["a", "x"],
        [[1, 2], [3, 4]],
    )
    for ids in (["07", "8"], ["7", "8.0"], ["7", "x"]):
        csv_path.write_text(f"a,id\n1,{ids[0]}\n3,{ids[1]}\n")
        assert read_table(str(csv_path), ".csv", Choice(id="id")).ids.tolist() == ids


@pytest.mark.parametrize("cell", ["x", "5"])
@pytest.mark.parametrize("numbers", [[0, 1, 2], [5, 3, 8]])
def test_a_first_column_that_only_numbers_the_rows_is_left_out(csv_path, capsys, numbers, cell):
    frame = pd.DataFrame({"a": [1, 2, 2], "b": ["4", "5", cell]}, index=numbers)
    frame.to_csv(csv_path)
    rows = read_table(str(csv_path), ".csv", text=True)
    assert rows.names == ["a", "b"]
    assert np.asarray(rows.X)[:, 0].tolist() == [1, 2, 2]
    assert "first column, which has no name, only numbers the rows" in capsys.readouterr().err
    frame.to_csv(csv_path, index_label="row")
    assert read_table(str(csv_path), ".csv", text=True).names == ["row", "a", "b"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("index", [[1, 1, 2], [0.5, 1, 2], ["x", "y", "z"]])
def test_a_first_column_without_a_name_that_holds_more_is_kept(csv_path, index):
    pd.DataFrame({"a": [1, 2, 2]}, index=index).to_csv(csv_path)
    assert read_table(str(csv_path), ".csv", text=True).names == ["", "a"]
    assert read_table(str(csv_path), ".csv", Choice(columns=[""]), text=True).names == [""]


def test_a_parquet_file_with_text_is_a_frame_of_pyarrow(parquet):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is optional")
    table = pa.table({"id": [7, 8], "name": ["ann", "bob"], "vip": [True, False]})
    pytest.importorskip("pyarrow.parquet").write_table(table, parquet)
    rows = read_table(str(parquet), ".parquet", Choice(id="id"), limit=1, text=True)
    assert rows.X.equals(table.select(["name", "vip"]).slice(0, 1))
    assert rows.ids.tolist() == [7]
    rest, names = rows.without("name")
    assert (rest.names, rest.X.column_names, names.tolist()) == (["vip"], ["vip"], ["ann"])
