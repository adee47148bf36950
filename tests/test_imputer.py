"""VAEImputer: scikit-learn's conventions of imputers, draws, and data frames of every kind."""

import copy
import datetime
import itertools
import pickle
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

import skvae
from skvae import Autosave, VAEImputer
from skvae._base import BaseVAE
from skvae._files.schema import check_state
from skvae._rows.batches import training_rows
from skvae.networks import MLP
from tests.helpers import Interruption

nan = np.nan
rng = np.random.default_rng(0)
TRUTH = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 4)) + 0.3 * rng.normal(size=(60, 4)) + 5
GAPS = rng.random(TRUTH.shape) < 0.25
X = np.where(GAPS, nan, TRUTH)


def quick(**changes):
    settings = {
        "n_components": 2,
        "network": MLP(hidden_layer_sizes=(8,)),
        "max_epochs": 2,
        "n_estimators": 1,
        "random_state": 0,
    }
    return VAEImputer(**{**settings, **changes})


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(X)


# Arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sample_posterior", [False, True])
def test_gaps_are_filled_and_observed_values_stay(dtype, sample_posterior):
    rows = X.astype(dtype)
    imputer = quick(sample_posterior=sample_posterior)
    filled = imputer.fit_transform(rows)
    assert filled.dtype == dtype
    assert_array_equal(filled[~GAPS], rows[~GAPS])
    assert np.isfinite(filled).all()
    assert_array_equal(filled, imputer.transform(rows))
    copies = imputer.impute(rows, 3, random_state=0)
    assert copies.shape == (3, *rows.shape)
    assert copies.dtype == dtype
    for one in copies:
        assert_array_equal(one[~GAPS], rows[~GAPS])
    assert_array_equal(rows, X.astype(dtype))


def test_gaps_may_first_appear_in_transform():
    filled = quick().fit(TRUTH).transform(X)
    assert np.isfinite(filled).all()
    assert_array_equal(filled[~GAPS], X[~GAPS])


def test_rows_without_gaps_come_back_as_they_are(fitted):
    assert_array_equal(fitted.transform(TRUTH), TRUTH)
    assert fitted.transform(TRUTH) is not TRUTH


def test_empty_rows_and_single_rows_are_filled(fitted):
    empty = np.full((1, 4), nan)
    assert np.isfinite(fitted.transform(empty)).all()
    assert np.isfinite(fitted.impute(empty, 2)).all()
    assert_allclose(fitted.transform(X[:1]), fitted.transform(X)[:1], rtol=1e-9)
    with_empty = quick().fit(np.vstack([X, empty]))
    assert np.isfinite(with_empty.transform(empty)).all()


@pytest.mark.parametrize("to_rows", [np.array, np.ndarray.tolist])
@pytest.mark.parametrize(
    ("value", "dtype"),
    [(-1, int), (-1, np.int8), (-1.0, float), (-1, object), ("?", object), (None, object)],
)
def test_a_value_may_stand_for_gaps(value, dtype, to_rows):
    whole = np.round(TRUTH).clip(0)
    marked = whole.astype(dtype)
    marked[GAPS] = value
    imputer = quick(missing_values=value)
    filled = imputer.fit_transform(to_rows(marked))
    expected = quick().fit_transform(np.where(GAPS, nan, whole).astype(filled.dtype))
    assert_allclose(filled, expected, rtol=1e-5)


def test_text_arrays_may_have_a_text_for_gaps():
    marked = TRUTH.round(3).astype(str)
    marked[GAPS] = "?"
    filled = quick(missing_values="?").fit_transform(marked.tolist())
    assert_allclose(filled, quick().fit_transform(np.where(GAPS, nan, TRUTH.round(3))), rtol=1e-6)


@pytest.mark.parametrize("value", ["?", -1, None, nan])
def test_other_gaps_are_gaps_as_well(value):
    assert_array_equal(quick(missing_values=value).fit_transform(X), quick().fit_transform(X))


# Columns


def with_empty_column(rows):
    return np.insert(rows, 1, nan, axis=1)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_columns_without_values_are_left_out_or_zero(method):
    rows = with_empty_column(X)
    imputer = getattr(quick(), method)(rows)
    assert imputer.transform(rows).shape == X.shape
    assert imputer.impute(rows, 2).shape == (2, *X.shape)
    assert imputer.get_feature_names_out().tolist() == ["x0", "x2", "x3", "x4"]
    imputer.set_params(keep_empty_features=True)
    filled = imputer.transform(rows)
    assert_array_equal(filled[:, 1], 0.0)
    assert len(imputer.get_feature_names_out()) == 5
    assert_array_equal(np.delete(filled, 1, axis=1)[~GAPS], X[~GAPS])
    rows[3, 1] = 7.5
    assert_array_equal(imputer.transform(rows)[:5, 1], [0, 0, 0, 7.5, 0])


def test_a_column_that_is_empty_only_in_transform_is_filled(fitted):
    rows = X.copy()
    rows[:, 2] = nan
    assert np.isfinite(fitted.transform(rows)).all()


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("keep", [False, True])
def test_indicators_are_those_of_scikit_learn(keep):
    rows = with_empty_column(np.hstack([X, np.ones((60, 1))]))
    options = {"add_indicator": True, "keep_empty_features": keep}
    simple, imputer = SimpleImputer(**options).fit(rows), quick(**options).fit(rows)
    names = imputer.get_feature_names_out()
    assert names.tolist() == simple.get_feature_names_out().tolist()
    filled = imputer.transform(rows[:7])
    assert filled.shape == (7, len(names))
    place = names.tolist().index("missingindicator_x0")
    assert_array_equal(filled[:, place:], simple.transform(rows[:7])[:, place:])
    assert_array_equal(imputer.impute(rows[:7], 2)[1, :, place:], filled[:, place:])


def test_chunks_add_to_the_columns_with_gaps_and_values():
    imputer = quick(add_indicator=True)
    imputer.partial_fit([[1.0, nan, 2.0], [2.0, nan, 3.0]])
    assert imputer.get_feature_names_out().tolist() == ["x0", "x2", "missingindicator_x1"]
    imputer.partial_fit([[nan, 1.0, 2.0], [2.0, 2.0, 3.0]])
    names = [*("x0", "x1", "x2"), *("missingindicator_x0", "missingindicator_x1")]
    assert imputer.get_feature_names_out().tolist() == names
    imputer.fit([[1.0, 2.0, 2.0], [2.0, 2.0, 3.0]])
    assert imputer.get_feature_names_out().tolist() == ["x0", "x1", "x2"]


def test_names_of_columns_may_be_given(fitted):
    assert fitted.get_feature_names_out(list("abcd")).tolist() == list("abcd")
    with pytest.raises(ValueError, match="input_features should have length equal to"):
        fitted.get_feature_names_out(["a"])


# Draws


def test_the_same_seed_gives_the_same_draws_and_another_one_others(fitted):
    first = fitted.impute(X, 3, random_state=0)
    assert_array_equal(fitted.impute(X, 3, random_state=0), first)
    for other in (fitted.impute(X, 3, random_state=1), fitted.impute(X, 3)):
        assert (other[:, GAPS] != first[:, GAPS]).all()
    assert len(np.unique(first[:, GAPS])) == first[:, GAPS].size


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(0, 59), min_size=1, max_size=30, unique=True))
def test_draws_of_a_row_do_not_depend_on_the_other_rows(chosen):
    together = IMPUTER.impute(X, 2, random_state=0)
    assert_allclose(IMPUTER.impute(X[chosen], 2, random_state=0), together[:, chosen], rtol=1e-9)


IMPUTER = quick().fit(X)


def test_equal_rows_have_different_draws(fitted):
    row = np.array([[nan, 5.0, nan, 5.0]])
    copies = fitted.impute(np.repeat(row, 200, axis=0), 1, random_state=0)[0]
    assert len(np.unique(copies[:, 0])) == 200
    # and the draws of one row are distributed as those of its copies
    draws = fitted.impute(row, 200, random_state=1)[:, 0]
    error = np.hypot(copies.std(0), draws.std(0)) / np.sqrt(200)
    assert (abs(copies.mean(0) - draws.mean(0)) <= 4 * error).all()


def test_the_expectation_is_the_mean_of_the_draws():
    """Both come from the same draws of z; a Gaussian whose noise has one scale is symmetric."""
    imputer = quick(max_epochs=30, n_importance_samples=64).fit(X)
    rows = X[GAPS.any(axis=1)][:5]
    draws = imputer.impute(rows, 4000, random_state=0)
    error = draws.std(axis=0) / np.sqrt(4000)
    assert (abs(draws.mean(axis=0) - imputer.transform(rows)) <= 5 * error + 1e-9).all()


@pytest.mark.parametrize("n_draws", [0, -1, 1.0, "2", None, True])
def test_invalid_numbers_of_draws_raise(fitted, n_draws):
    with pytest.raises(ValueError, match="'n_draws' must be an integer of at least 1, got"):
        fitted.impute(X, n_draws)


def test_bad_rows_raise(fitted):
    for method in (fitted.transform, lambda rows: fitted.impute(rows, 2)):
        with pytest.raises(ValueError, match="X has 3 features, but VAEImputer is expecting 4"):
            method(X[:, :3])
        with pytest.raises(ValueError, match="contains infinity"):
            method(np.where(GAPS, np.inf, X))
    for value in (nan, -1, "?"):
        with pytest.raises(TypeError, match="Sparse data was passed"):
            quick(missing_values=value).fit(sparse.csr_array(TRUTH))
        with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
            quick(missing_values=value).fit(TRUTH[0])
    with pytest.raises(ValueError, match="no observed value|has no value|observed"):
        quick().fit(np.full((5, 2), nan))
    with pytest.raises(NotFittedError):
        quick().impute(X, 2)


@pytest.mark.parametrize("value", [nan, -1, "?"])
def test_frames_without_rows_raise(value):
    imputer = quick(missing_values=value, prior="normal")
    kinds = {"text": pa.array(["x", "?"] * 20).dictionary_encode(), "n": [1.5, -1.0] * 20}
    for frame in (pa.table(kinds), pl.from_arrow(pa.table(kinds)), pa.table(kinds).to_pandas()):
        imputer.fit(frame)
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            imputer.transform(frame[:0])


def test_columns_of_the_same_name_raise():
    frame = pd.DataFrame([[1, -1], [2, 3]], columns=["a", "a"])
    for value in (nan, -1, "?"):
        with pytest.raises(ValueError, match="several columns of the same name: 'a'"):
            quick(missing_values=value).fit(frame)


# Copies, files, pipelines


@pytest.mark.parametrize("rows", [X, with_empty_column(X)])
def test_copies_and_files_impute_alike(tmp_path, rows):
    imputer = quick(add_indicator=True).fit(rows)
    skvae.save(imputer, tmp_path / "m.skvae")
    again = [skvae.load(tmp_path / "m.skvae"), pickle.loads(pickle.dumps(imputer))]
    for other in [*again, copy.deepcopy(imputer), clone(imputer).fit(rows)]:
        assert_array_equal(other.transform(rows), imputer.transform(rows))
        assert_array_equal(
            other.impute(rows, 2, random_state=0), imputer.impute(rows, 2, random_state=0)
        )
        assert other.get_feature_names_out().tolist() == imputer.get_feature_names_out().tolist()
    assert not hasattr(clone(imputer), "module_")


def restored(state):
    check_state("VAEImputer", "model", state)
    imputer = quick()
    imputer._set_state(state, "cpu")
    return imputer


@pytest.mark.parametrize("flags", [None, [True] * 3, [1, 0, 1, 0], "yyyy"])
@pytest.mark.parametrize("name", ["had_gaps", "had_values"])
def test_flags_of_a_file_are_checked(fitted, name, flags):
    state = {**fitted._get_state(), name: flags}
    with pytest.raises(ValueError, match=name):
        restored(state)


@pytest.mark.parametrize(
    "widths", [[[1.0] * 3], [[1.0, 1.0, 1.0, 0.5]], [[nan] * 4], [], [["a"] * 4]]
)
def test_widths_of_a_file_are_checked(fitted, widths):
    state = {**fitted._get_state(), "widths": widths}
    with pytest.raises(ValueError, match="widths"):
        restored(state)


def test_a_pipeline_with_a_classifier_can_be_searched():
    rows, y = load_iris(return_X_y=True)
    rows[np.random.default_rng(0).random(rows.shape) < 0.2] = nan
    pipeline = make_pipeline(quick(), LogisticRegression(max_iter=1000))
    grid = {"vaeimputer__add_indicator": [False, True], "vaeimputer__network__dropout": [0.0, 0.1]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(rows, y)
    assert search.best_score_ > 0.6
    assert search.predict(rows).shape == (150,)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_makes_frames_of_arrays(library):
    module = pytest.importorskip(library)
    imputer = quick(add_indicator=True).set_output(transform=library)
    filled = imputer.fit_transform(X)
    assert isinstance(filled, module.DataFrame)
    assert list(filled.columns) == imputer.get_feature_names_out().tolist()
    assert_array_equal(filled.to_numpy()[:, :4][~GAPS], X[~GAPS])


# Data frames

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

N_ROWS = 40


def spread(values):
    """Return as many cells as rows, of these values in turn."""
    return [values[row * 7 % len(values)] for row in range(N_ROWS)]


DAYS = [datetime.date(2024, 1, 1) + datetime.timedelta(days=day) for day in range(20)]
TIMES = pd.Series(spread(list(pd.date_range("2024-01-01", periods=20, freq="7h"))))
WHOLE = spread(list(range(-5, 15)))
NUMBERS = spread([0.25 * number for number in range(17)])
TEXTS = spread(["a", "b", "b", "c"])
TRUTHS = spread([True, False, True])


def pandas_frame():
    ordered = pd.CategoricalDtype(["c", "b", "a", "unused"], ordered=True)
    return pd.DataFrame(
        {
            "float64": pd.Series(NUMBERS),
            "float32": pd.Series(NUMBERS, dtype="float32"),
            "Float64": pd.Series(NUMBERS, dtype="Float64"),
            "Int8": pd.Series(WHOLE, dtype="Int8"),
            "Int64": pd.Series(WHOLE, dtype="Int64"),
            "boolean": pd.Series(TRUTHS, dtype="boolean"),
            "object text": pd.Series(TEXTS, dtype=object),
            "object truth": pd.Series(TRUTHS, dtype=object),
            "string": pd.Series(TEXTS, dtype="string"),
            "category": pd.Series(TEXTS, dtype=ordered),
            "numbers as category": pd.Series(WHOLE, dtype="category"),
            "time": TIMES,
            "zoned": TIMES.dt.tz_localize("Europe/Berlin"),
            "seconds": TIMES.astype("datetime64[s]"),
            "duration": pd.to_timedelta(WHOLE, unit="h").to_series(index=range(N_ROWS)),
            "arrow": pd.Series(WHOLE, dtype=pd.ArrowDtype(pa.int32())),
            "arrow text": pd.Series(TEXTS, dtype=pd.ArrowDtype(pa.string())),
            "day": pd.Series(spread(DAYS), dtype=object),
            "money": pd.Series([Decimal(n) / 4 for n in WHOLE], dtype=object),
        }
    )


def polars_frame():
    return pl.DataFrame(
        {
            "float": NUMBERS,
            "float32": pl.Series(NUMBERS, dtype=pl.Float32),
            "int8": pl.Series(WHOLE, dtype=pl.Int8),
            "int": WHOLE,
            "truth": TRUTHS,
            "text": TEXTS,
            "category": pl.Series(TEXTS, dtype=pl.Categorical),
            "enum": pl.Series(TEXTS, dtype=pl.Enum(["c", "b", "a", "unused"])),
            "day": spread(DAYS),
            "time": pl.Series(TIMES.to_list()),
            "zoned": pl.Series(TIMES.to_list()).dt.replace_time_zone("Europe/Berlin"),
            "duration": pl.Series(WHOLE).cast(pl.Duration("ms")),
            "money": pl.Series([Decimal(n) / 4 for n in WHOLE], dtype=pl.Decimal(10, 2)),
        }
    )


def arrow_table():
    return pa.table(
        {
            "double": NUMBERS,
            "float": pa.array(NUMBERS, pa.float32()),
            "int8": pa.array(WHOLE, pa.int8()),
            "int": WHOLE,
            "truth": TRUTHS,
            "text": TEXTS,
            "view": pa.array(TEXTS, pa.string_view()),
            "category": pa.array(TEXTS).dictionary_encode(),
            "day": spread(DAYS),
            "time": pa.array(TIMES),
            "zoned": pa.array(TIMES.dt.tz_localize("Europe/Berlin")),
            "duration": pa.array(WHOLE, pa.duration("s")),
            "money": pa.array([Decimal(n) / 4 for n in WHOLE], pa.decimal128(10, 2)),
        }
    )


MISSING = np.random.default_rng(3).random((N_ROWS, 30)) < 0.25


def with_missing(frame):
    """Return a frame of the same types without every fourth cell."""
    if isinstance(frame, pd.DataFrame):
        masked = frame.mask(MISSING[:, : frame.shape[1]]).astype(frame.dtypes)
        return masked.set_axis([7] * 20 + list(range(20)))
    if isinstance(frame, pl.DataFrame):
        pairs = zip(frame.get_columns(), MISSING.T, strict=False)
        return frame.select(
            pl.when(pl.Series(~missing)).then(column).alias(column.name)
            for column, missing in pairs
        )
    cells = frame.to_pydict().values()
    masked = [
        pa.array([None if gap else cell for cell, gap in zip(column, missing, strict=True)])
        for column, missing in zip(cells, MISSING.T, strict=False)
    ]
    columns = zip(masked, frame.schema.types, strict=True)
    return pa.table([as_type(*pair) for pair in columns], names=frame.column_names)


def as_type(column, kind):
    return column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)


def cells_of(frame):
    """Return the cells of a frame by column."""
    if isinstance(frame, pd.DataFrame):
        return {name: frame[name].tolist() for name in frame}
    return frame.to_dict(as_series=False) if isinstance(frame, pl.DataFrame) else frame.to_pydict()


def types_of(frame):
    if isinstance(frame, pa.Table):
        return frame.schema.types
    return list(frame.dtypes)


FRAMES = {"pandas": pandas_frame, "polars": polars_frame, "pyarrow": arrow_table}


@pytest.fixture(scope="module", params=FRAMES)
def frames(request):
    """A frame, the same with gaps, and an imputer fitted to the latter."""
    frame = FRAMES[request.param]()
    gaps = with_missing(frame)
    return frame, gaps, quick(likelihood="mixed", prior="normal").fit(gaps)


def assert_filled(filled, frame, gaps):
    assert type(filled) is type(gaps)
    assert types_of(filled) == types_of(gaps) == types_of(frame)
    found, expected = cells_of(filled), cells_of(frame)
    assert list(found) == list(expected)
    for (name, cells), missing in zip(found.items(), MISSING.T, strict=False):
        known = [
            (cell, other)
            for cell, other, gap in zip(cells, expected[name], missing, strict=True)
            if not gap
        ]
        assert all(cell == other for cell, other in known), name
        assert {type(cell) for cell in cells} == {type(cell) for cell in expected[name]}, name
        assert all(cell == cell for cell in cells), name
    if isinstance(gaps, pd.DataFrame):
        assert filled.index.equals(gaps.index)


def test_frames_keep_types_and_observed_cells(frames):
    frame, gaps, imputer = frames
    assert_filled(imputer.transform(gaps), frame, gaps)
    copies = imputer.impute(gaps, 2, random_state=0)
    for one in copies:
        assert_filled(one, frame, gaps)
    assert cells_of(copies[0]) != cells_of(copies[1])
    assert list(map(cells_of, imputer.impute(gaps, 2, random_state=0))) == list(
        map(cells_of, copies)
    )


def test_imputers_of_frames_can_be_saved(frames, tmp_path):
    _, gaps, imputer = frames
    skvae.save(imputer, tmp_path / "m")
    loaded = skvae.load(tmp_path / "m")
    assert cells_of(loaded.transform(gaps)) == cells_of(imputer.transform(gaps))


def test_levels_that_training_lacked_stay(frames):
    frame, _, _ = frames
    text = next(name for name in cells_of(frame) if "text" in name)
    names = [text, next(name for name in cells_of(frame) if "float" in name)]
    training = frame[names] if isinstance(frame, pd.DataFrame) else frame.select(names)
    imputer = quick(prior="normal").fit(training)
    rows = pd.DataFrame({text: ["new", None, "a"], names[1]: [nan, 1.0, 2.0]})
    rows = rows.astype({text: object})
    X_new = {
        pd.DataFrame: lambda: rows,
        pl.DataFrame: lambda: pl.from_pandas(rows),
        pa.Table: lambda: pa.Table.from_pandas(rows),
    }[type(frame)]()
    found = cells_of(imputer.transform(X_new))
    assert found[text][0] == "new"
    assert found[text][1] in ("a", "b", "c")
    assert np.isfinite(found[names[1]]).all()


@pytest.mark.parametrize("n_values", [0, 1])
def test_frames_with_empty_columns_and_indicators(n_values):
    frame = pd.DataFrame({"a": TEXTS, "empty": [None] * N_ROWS, "n": NUMBERS})
    frame.loc[3, "a"] = None
    imputer = quick(prior="normal", add_indicator=True).fit(frame)
    filled = imputer.transform(frame)
    assert filled.columns.tolist() == ["a", "n", "missingindicator_a", "missingindicator_empty"]
    assert filled["missingindicator_a"].tolist() == [row == 3 for row in range(N_ROWS)]
    imputer.set_params(keep_empty_features=True)
    assert imputer.transform(frame)["empty"].isna().all()
    assert imputer.get_feature_names_out().tolist() == imputer.transform(frame).columns.tolist()


def test_whole_numbers_stay_whole_if_a_number_stands_for_gaps():
    frame = pd.DataFrame({"n": WHOLE, "text": TEXTS}).assign(n=lambda rows: rows.n + 10)
    frame.loc[[3, 5], "n"] = -1
    frame.loc[4, "text"] = "?"
    imputer = quick(missing_values=-1, prior="normal").fit(frame)
    filled = imputer.transform(frame)
    assert filled.n.dtype == np.int64
    assert (filled.n >= 5).all()
    assert_array_equal(filled.n.drop([3, 5]), frame.n.drop([3, 5]))
    assert filled.text.tolist() == frame.text.tolist()
    filled = quick(missing_values="?", prior="normal").fit_transform(frame)
    assert filled.text[4] in ("a", "b", "c")
    assert filled.n.tolist() == frame.n.tolist()


def test_whole_numbers_become_real_ones_if_the_model_fills_with_these():
    numbers = pd.DataFrame({"a": NUMBERS, "b": np.array(NUMBERS) + 1})
    imputer = quick().fit(numbers)
    whole = pd.DataFrame({"a": pd.Series([1, None], dtype="Int64"), "b": [2, 3]})
    filled = imputer.transform(whole)
    assert filled.b.dtype == np.int64
    assert filled.a[0] == 1
    assert filled.a[1] % 1 != 0


def test_arrays_are_filled_by_an_imputer_of_a_frame_of_numbers():
    frame = pd.DataFrame(X, columns=list("abcd"))
    imputer = quick().fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        filled = imputer.transform(X)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert imputer.impute(X, 2).shape == (2, *X.shape)
    assert_array_equal(filled, quick().fit_transform(X))
    assert_allclose(imputer.transform(frame), filled)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_takes_frames_of_either_library(library):
    module = pytest.importorskip(library)
    for frame in (
        pd.DataFrame({"a": TEXTS, "n": NUMBERS}),
        pl.DataFrame({"a": TEXTS, "n": NUMBERS}),
    ):
        imputer = quick(prior="normal", add_indicator=True).set_output(transform=library)
        filled = imputer.fit(frame).transform(frame)
        assert isinstance(filled, module.DataFrame)
        assert list(filled["a"]) == TEXTS
        assert list(filled["n"]) == NUMBERS


def test_draws_have_the_decimals_and_the_range_of_the_training_rows():
    frame = pd.DataFrame({"price": np.round(np.linspace(1, 9, N_ROWS), 2), "text": TEXTS})
    gaps = frame.mask(MISSING[:, :2])
    copies = quick(prior="normal").fit(gaps).impute(gaps, 20, random_state=0)
    prices = np.concatenate([copy.price for copy in copies])
    assert_array_equal(prices, prices.round(2))
    assert prices.min() >= gaps.price.min()
    assert prices.max() <= gaps.price.max()


def test_rare_levels_are_drawn_by_their_shares():
    common = [f"l{level}" for level in range(99)]
    text = common * 5 + ["rare"] * 3 + ["rarer"]
    frame = pd.DataFrame({"text": text * 2, "n": np.arange(2.0 * len(text))})
    imputer = quick(prior="normal", likelihood="mixed").fit(frame)
    rows = pd.DataFrame({"text": [None] * 20, "n": np.full(20, 1.0)})
    drawn = pd.concat([copy.text for copy in imputer.impute(rows, 200, random_state=0)])
    assert {"rare", "rarer"} <= set(drawn)


# Several models


def filled_by_each(imputer):
    """Return the table as each model alone fills it."""
    models = [copy.copy(model) for model in (imputer, *imputer._others)]
    models[0]._others = ()
    return np.stack([model.transform(X) for model in models])


class FailingIn(Callback):
    """A callback that raises an error in one of the runs that it sees."""

    def __init__(self, run):
        self.run = run
        self.n_runs = 0

    def on_train_begin(self, net, **kwargs):
        self.n_runs += 1
        if self.n_runs == self.run:
            raise RuntimeError("enough")


def test_models_differ_and_the_filled_values_are_their_means():
    imputer = quick(n_estimators=3).fit(X)
    alone = filled_by_each(imputer)
    assert len(alone) == 3
    for first, second in itertools.combinations(alone[:, GAPS], 2):
        assert (first != second).all()
    assert_allclose(imputer.transform(X), alone.mean(axis=0), rtol=1e-9)
    assert_allclose(alone[0], quick().fit_transform(X), rtol=1e-9)


def test_draws_come_from_all_models_alike():
    """The means of the models are moved apart, beyond the widths of their distributions."""
    imputer = quick(n_estimators=3).fit(X)
    for number, module in enumerate(imputer._modules):
        module.likelihood.loc += 1000.0 * number
    rows = np.full((1, 4), nan)
    draws = imputer.impute(rows, 900, random_state=0)[:, 0, 0]
    shares = np.bincount(np.round(draws / 1000).astype(int), minlength=3) / 900
    assert_allclose(shares, 1 / 3, atol=4 * np.sqrt(2 / 9 / 900))


@pytest.mark.parametrize("copied", ["file", "pickle", "deepcopy"])
def test_copies_keep_all_models(copied, tmp_path):
    imputer = quick(n_estimators=2).fit(X).set_params(n_estimators=1)
    skvae.save(imputer, tmp_path / "m")
    other = {
        "file": lambda: skvae.load(tmp_path / "m"),
        "pickle": lambda: pickle.loads(pickle.dumps(imputer)),
        "deepcopy": lambda: copy.deepcopy(imputer),
    }[copied]()
    assert_array_equal(filled_by_each(other), filled_by_each(imputer))
    assert_array_equal(other.transform(X), imputer.transform(X))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_further_training_goes_on_for_all_models_and_may_add_some(method):
    imputer = quick(n_estimators=2, warm_start=True).fit(X)
    before = filled_by_each(imputer)
    imputer.set_params(max_epochs=3, n_estimators=3)
    getattr(imputer, method)(X)
    after = filled_by_each(imputer)
    n_epochs = [model.n_iter_ for model in (imputer, *imputer._others)]
    assert n_epochs == [3, 3, 3 if method == "fit" else 1]
    assert (after[:2, GAPS] != before[:, GAPS]).all()


def test_a_fit_anew_replaces_all_models():
    imputer = quick(n_estimators=3).fit(X).set_params(n_estimators=2)
    assert_array_equal(imputer.fit_transform(X), quick(n_estimators=2).fit_transform(X))


def test_failing_training_of_a_further_model_leaves_all_as_they_were():
    imputer = quick(n_estimators=2, warm_start=True).fit(X)
    before = filled_by_each(imputer)
    imputer.set_params(max_epochs=4, callbacks=[FailingIn(2)])
    with pytest.raises(RuntimeError, match="enough"):
        imputer.fit(X)
    assert_array_equal(filled_by_each(imputer), before)


def test_an_interruption_ends_the_training_of_all_models():
    imputer = quick(n_estimators=3, max_epochs=5, batch_size=20, callbacks=[Interruption(4)])
    with pytest.warns(UserWarning, match="interrupted"):
        imputer.fit(X)
    assert len(imputer._modules) == 1
    imputer.set_params(warm_start=True, callbacks=None).fit(X)
    assert [model.n_iter_ for model in (imputer, *imputer._others)] == [5, 5, 5]


def test_callbacks_are_called_for_every_model_and_checkpoints_written_of_the_first(tmp_path):
    counter = FailingIn(99)
    quick(n_estimators=3, callbacks=[counter, Autosave(tmp_path)]).fit(X)
    assert counter.n_runs == 3
    resumed = quick(n_estimators=3, callbacks=[Autosave(tmp_path, resume=True)]).fit(X)
    assert_array_equal(resumed.transform(X), quick(n_estimators=3).fit_transform(X))


@pytest.mark.parametrize(("n_features", "n_components"), [(1, 1), (2, 1), (5, 4), (30, 10)])
def test_the_number_of_components_follows_the_number_of_columns(n_features, n_components):
    rows = np.random.default_rng(0).normal(size=(20, n_features))
    assert quick(n_components="auto", max_epochs=1).fit(rows).n_components_ == n_components


def test_models_of_a_file_have_the_same_columns(fitted):
    narrow = quick().fit(X[:, :3])
    state = {**fitted._get_state(), "others": [BaseVAE._get_state(narrow)]}
    with pytest.raises(ValueError, match="one of its models has 3 features, but the first has 4"):
        quick()._set_state(state, "cpu")


@pytest.mark.parametrize(("n_rows", "n_steps"), [(20, 200), (100, 300), (1000, 2847), (5000, 5000)])
def test_auto_fits_the_number_of_steps_to_the_rows(n_rows, n_steps):
    rows = training_rows(np.random.default_rng(0).normal(size=(n_rows, 2)), None)
    n_batches = -(-n_rows // 64)
    n_epochs = VAEImputer()._settings(rows, 0).max_epochs
    assert n_epochs == -(-n_steps // n_batches)
    assert VAEImputer(early_stopping=True)._settings(rows, 0).max_epochs == 10 * n_epochs
