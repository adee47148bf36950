"""Parquet files as data frames, in memory and in pieces."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skvae import VAEAnomalyDetector, VAEClassifier, VAEImputer, VAETransformer
from skvae._rows import parquet as in_pieces
from skvae._rows import source
from skvae._rows.opening import check_stored, opened
from skvae._rows.parquet import ParquetTable
from skvae._rows.source import SlicedRows
from skvae.likelihoods import Mixed
from skvae.networks import MLP

pyarrow = pytest.importorskip("pyarrow", reason="an optional dependency")
dataset = pytest.importorskip("pyarrow.dataset", reason="an optional dependency")
parquet = pytest.importorskip("pyarrow.parquet", reason="an optional dependency")

SETTINGS = {"max_epochs": 3, "random_state": 0}
N_ROWS = 1500


@pytest.fixture
def nothing_is_small(monkeypatch):
    """Treat tables of these tests as those of more than 16 million values, of which few are read.

    A piece has 100 rows, and the sample 250.
    """
    monkeypatch.setattr(source, "MOST_DENSE", 0)
    monkeypatch.setattr(source, "_SAMPLED_VALUES", 1500)
    monkeypatch.setattr(source, "_READ_VALUES", 200)
    monkeypatch.setattr(source, "_SHUFFLED_VALUES", 2000)
    monkeypatch.setattr(in_pieces, "_PIECE_VALUES", 600)


@pytest.fixture(scope="module")
def table():
    """A table of six kinds of columns, whose rare values are rarely in a sample."""
    rng = np.random.default_rng(0)
    city = rng.choice(["Bern", "Basel", "Chur"], N_ROWS, p=[0.6, 0.3, 0.1]).astype(object)
    city[777] = "Lugano"
    x = rng.normal(size=N_ROWS) + 2 * (city == "Bern")
    x[123] = 40.0
    visits = rng.poisson(3, N_ROWS).astype(object)
    visits[1201] = None
    return pyarrow.table(
        {
            "city": city,
            "x": x,
            "visits": pyarrow.array(visits, pyarrow.int64()),
            "since": [date(2020, 1, 1) + timedelta(int(day)) for day in rng.integers(0, 9, N_ROWS)],
            "member": rng.random(N_ROWS) < 0.3,
            "plan": pyarrow.array(rng.choice(["a", "b"], N_ROWS)).dictionary_encode(),
        }
    )


@pytest.fixture
def stored(table, tmp_path):
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=400)
    return tmp_path / "rows.parquet"


def _in_pieces(path):
    """Return the rows of a file of numbers, which are too many for the memory."""
    return check_stored(VAETransformer(), ParquetTable(path), None, reset=True)[:]


def test_a_small_file_is_the_frame_that_it_holds(table, stored):
    assert opened(stored).equals(table)
    whole, read = (VAETransformer(3, **SETTINGS).fit(X) for X in (table, str(stored)))
    assert_array_equal(read.transform(stored), whole.transform(table))
    assert read.sample(5, random_state=0).equals(whole.sample(5, random_state=0))


@pytest.mark.usefixtures("nothing_is_small")
def test_a_large_file_is_modelled_as_the_frame_that_it_holds(table, stored, monkeypatch):
    monkeypatch.setattr(source, "_SAMPLED_VALUES", 6000)  # 1,500 lose 0.7 nats
    small = {"network": MLP(hidden_layer_sizes=64), "prior": "normal", "max_epochs": 20}
    whole, read = (VAETransformer(3, random_state=0, **small).fit(X) for X in (table, stored))
    assert read.feature_names_in_.tolist() == table.column_names
    assert read.score(table) == pytest.approx(whole.score(table), abs=0.15)
    np.testing.assert_allclose(
        read.score_samples(stored), read.score_samples(table), rtol=0, atol=1e-10
    )
    drawn = read.sample(200, random_state=0)
    assert drawn.schema.equals(table.schema)


@pytest.mark.usefixtures("nothing_is_small")
def test_the_schema_knows_ends_gaps_and_levels_beyond_the_sample(table, stored):
    vae = VAETransformer(3, **SETTINGS).fit(stored)
    columns = dict(zip(table.column_names, vae._schema.columns, strict=True))
    assert columns["x"].high == 40.0
    assert columns["visits"].missing
    assert "Lugano" in columns["city"].levels
    assert columns["member"].levels == (False, True)
    assert columns["since"].high == 8


@pytest.mark.usefixtures("nothing_is_small")
def test_samples_of_wide_tables_have_few_rows_with_ends(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 400))  # most rows have the end of a column
    wide = pyarrow.table({f"x{j}": x for j, x in enumerate(X.T)})
    parquet.write_table(wide, tmp_path / "wide.parquet")
    samples = ParquetTable(tmp_path / "wide.parquet")._samples()
    for x, sample in zip(X.T, samples, strict=True):
        assert len(sample) == 1500 // 400 + 2
        assert {x.min(), x.max()} <= {*sample.to_pylist()}


@pytest.mark.usefixtures("nothing_is_small")
def test_kinds_of_columns_may_be_declared(tmp_path):
    codes = pyarrow.table({"code": [1, 2, 4] * 20, "x": np.arange(60.0)})
    parquet.write_table(codes, tmp_path / "x.parquet")
    declared = {"likelihood": Mixed(kinds={"code": "level"}), "max_epochs": 1}
    vae = VAETransformer(2, **declared).fit(tmp_path / "x.parquet")
    assert vae._schema.columns[0].levels == (1, 2, 4)
    with pytest.raises(ValueError, match="'kinds' names columns that X lacks: 'other'"):
        VAETransformer(2, likelihood=Mixed(kinds={"other": "level"})).fit(tmp_path / "x.parquet")


@pytest.mark.usefixtures("nothing_is_small")
def test_detectors_score_a_large_file_as_the_frame(table, stored):
    detector = VAEAnomalyDetector(3, **SETTINGS).fit(stored)
    assert_array_equal(detector.predict(stored), detector.predict(table))
    assert detector.predict(stored)[123] == -1


@pytest.mark.usefixtures("nothing_is_small")
def test_other_columns_raise_by_name(table, stored, tmp_path):
    vae = VAETransformer(3, **SETTINGS).fit(stored)
    parquet.write_table(table.drop_columns(["x"]), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="x"):
        vae.transform(tmp_path / "other.parquet")
    parquet.write_table(table.select(table.column_names[::-1]), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="order"):
        vae.transform(tmp_path / "other.parquet")


@pytest.mark.usefixtures("nothing_is_small")
def test_infinite_values_raise_with_column_and_row(tmp_path):
    x = np.zeros(1000)
    x[888] = np.inf
    parquet.write_table(pyarrow.table({"a": np.arange(1000.0), "x": x}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="infinity .* in column 'x', row 888"):
        VAETransformer(2).fit(tmp_path / "x.parquet")
    names = pyarrow.table({"a": ["b", "c"] * 500, "x": x})
    parquet.write_table(names, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="infinity .* in column 'x', row 888"):
        VAETransformer(2).fit(tmp_path / "x.parquet")


@pytest.mark.parametrize("likelihood", ["gaussian", "auto"])
@pytest.mark.usefixtures("nothing_is_small")
def test_text_is_refused_by_name_if_the_likelihood_does_not_model_it(tmp_path, likelihood):
    names = pyarrow.table({"x": [1.0, 2.0] * 40, "name": [f"person {i}" for i in range(80)]})
    parquet.write_table(names, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="'name'"):
        VAETransformer(2, likelihood=likelihood).fit(tmp_path / "x.parquet")


@pytest.mark.parametrize("most_dense", [0, 2**24])
def test_files_without_columns_or_rows_raise(tmp_path, monkeypatch, most_dense):
    monkeypatch.setattr(source, "MOST_DENSE", most_dense)
    parquet.write_table(pyarrow.table({}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x.parquet has no columns"):
        VAETransformer(2).fit(tmp_path / "x.parquet")
    parquet.write_table(pyarrow.table({"x": pyarrow.array([], "f8")}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        VAETransformer(2).fit(tmp_path / "x.parquet")


@pytest.mark.usefixtures("nothing_is_small")
def test_folders_are_read_in_the_order_of_their_files(tmp_path):
    X = np.random.default_rng(0).normal(size=(50, 3))
    for part in (0, 1):
        columns = {name: X[part::2, j] for j, name in enumerate("abc")}
        parquet.write_table(pyarrow.table(columns), tmp_path / f"{part}.parquet")
    assert_array_equal(_in_pieces(tmp_path), np.concatenate([X[::2], X[1::2]]))
    assert_array_equal(_in_pieces(str(tmp_path / "1.parquet")), X[1::2])
    assert isinstance(
        check_stored(VAETransformer(), ParquetTable(tmp_path), None, reset=True), SlicedRows
    )


@pytest.mark.usefixtures("nothing_is_small")
def test_files_may_lack_columns_and_data_sets_be_filtered(tmp_path):
    a, b = np.arange(8.0), np.arange(8.0, 16.0)
    parquet.write_table(pyarrow.table({"a": a, "b": b}), tmp_path / "0.parquet")
    parquet.write_table(pyarrow.table({"b": b, "a": a}), tmp_path / "1.parquet")
    expected = np.column_stack([a, b])
    assert_array_equal(_in_pieces(tmp_path), np.concatenate([expected, expected]))
    filtered = dataset.dataset(tmp_path, format="parquet").filter(dataset.field("a") > 5)
    assert_array_equal(_in_pieces(filtered), np.concatenate([expected[6:], expected[6:]]))
    parquet.write_table(pyarrow.table({"b": b}), tmp_path / "2.parquet")
    assert_array_equal(_in_pieces(tmp_path)[16:], np.column_stack([np.full(8, np.nan), b]))


@pytest.mark.parametrize("most_dense", [0, 2**24])
def test_folders_that_name_the_values_of_a_column_are_one(tmp_path, monkeypatch, most_dense):
    monkeypatch.setattr(source, "MOST_DENSE", most_dense)
    rows = pyarrow.table({"x": np.arange(40.0), "year": [2024, 2025] * 20})
    parquet.write_to_dataset(rows, tmp_path / "rows", partition_cols=["year"])
    vae = VAETransformer(2, **SETTINGS).fit(tmp_path / "rows")
    assert vae.feature_names_in_.tolist() == ["x", "year"]
    assert set(vae.sample(9, random_state=0)["year"].to_pylist()) <= {2024, 2025}


COLUMNS = {
    "decimal": pyarrow.array([Decimal("0.01"), Decimal("2.50"), None] * 20),
    "time stamp": pyarrow.array(
        [10**15, 10**15 + 1, 5] * 20, pyarrow.timestamp("us", "Asia/Tokyo")
    ),
    "duration": pyarrow.array([1, 2, None] * 20, pyarrow.duration("s")),
    "half": pyarrow.array(np.array([1, 2, 4] * 20, dtype=np.float16)),
    "nothing": pyarrow.nulls(60),
    "categories": pyarrow.array(["b", "a", None] * 20).dictionary_encode(),
    "long text": pyarrow.array(["b", "a", None] * 20, pyarrow.large_string()),
    "large numbers": pyarrow.array([2**60, 2**60 + 7, None] * 20),
}


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.usefixtures("nothing_is_small")
def test_columns_of_all_types_are_modelled_as_in_memory(tmp_path, kind):
    rows = pyarrow.table({"x": np.arange(60.0), "other": COLUMNS[kind]})
    parquet.write_table(rows, tmp_path / "x.parquet", row_group_size=25)
    whole, read = (VAETransformer(2, max_epochs=1).fit(X) for X in (rows, tmp_path / "x.parquet"))
    kinds = [[column.base for column in vae._schema.columns] for vae in (whole, read)]
    assert kinds[0] == kinds[1]
    assert read.sample(3).schema.equals(rows.schema)


@pytest.mark.parametrize("most_dense", [0, 2**24])
@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}, b"x"], ids=str)
def test_columns_of_other_types_raise_by_name(tmp_path, monkeypatch, most_dense, cell):
    monkeypatch.setattr(source, "MOST_DENSE", most_dense)
    rows = pyarrow.table({"x": np.arange(60.0), "other": [cell] * 60})
    parquet.write_table(rows, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="Column 'other' is of type .* Convert the column, or"):
        VAETransformer(2).fit(tmp_path / "x.parquet")


@pytest.mark.parametrize("estimator", [VAETransformer(), VAEImputer(), VAEClassifier()])
def test_paths_of_other_files_raise(tmp_path, estimator):
    for path in ("rows.csv", tmp_path / "rows.csv"):
        with pytest.raises(ValueError, match=r"X is '.*rows.csv', but rows are expected"):
            estimator.fit(path, [0, 1])
    if not isinstance(estimator, VAETransformer):
        with pytest.raises(ValueError, match="VAETransformer and VAEAnomalyDetector take the pat"):
            estimator.fit("rows.parquet", [0, 1])


@pytest.mark.parametrize("most_dense", [0, 2**24])
def test_an_index_of_pandas_is_no_column(tmp_path, monkeypatch, most_dense):
    pd = pytest.importorskip("pandas", reason="an optional dependency")
    monkeypatch.setattr(source, "MOST_DENSE", most_dense)
    frame = pd.DataFrame({"x": np.arange(40.0)}, index=[f"row {i}" for i in range(40)])
    frame["y"] = frame["x"] ** 2
    frame.to_parquet(tmp_path / "x.parquet")
    vae = VAETransformer(2, **SETTINGS).fit(tmp_path / "x.parquet")
    assert vae.feature_names_in_.tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("dtype", "expected"), [("int8", "float32"), ("float32", "float32"), ("int64", "float64")]
)
@pytest.mark.usefixtures("nothing_is_small")
def test_numbers_have_the_precision_that_they_have_in_memory(tmp_path, dtype, expected):
    parquet.write_table(pyarrow.table({"x": np.arange(9, dtype=dtype)}), tmp_path / "x.parquet")
    assert _in_pieces(tmp_path / "x.parquet").dtype == expected
