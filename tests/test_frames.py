"""Data frames go in as they are, and come back as frames of the same library."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae.likelihoods import Categorical, Mixed
from skvae.networks import MLP
from skvae.priors import MixturePrior
from skvae.scores import NoveltyRarity

pd = pytest.importorskip("pandas", reason="pandas is optional")

N_ROWS = 240
FAST = {
    "network": MLP(hidden_layer_sizes=(16,)),
    "prior": MixturePrior(n_mixtures=10),
    "max_epochs": 2,
    "random_state": 0,
}


def customers():
    """Return a table whose plan follows from the age, and the bill from the plan."""
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, N_ROWS)
    plan = np.where(age < 30, "student", np.where(age < 65, "family", "senior"))
    bill = np.where(
        rng.random(N_ROWS) < 0.4, 0.0, (10 + 5 * (age < 65)) * rng.lognormal(size=N_ROWS)
    )
    return pd.DataFrame(
        {
            "Age": age,
            "plan": pd.Categorical(plan, categories=["senior", "family", "student", "gold"]),
            "Bill": bill.round(2),
            "city": rng.choice(["Bern", "Genève", ""], N_ROWS, p=[0.6, 0.3, 0.1]),
            "active": rng.random(N_ROWS) < 0.7,
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 900, N_ROWS), "D"),
        }
    )


CUSTOMERS = customers()


@pytest.fixture(scope="module")
def vae():
    return VAETransformer(3, **FAST).fit(CUSTOMERS)


@pytest.fixture(scope="module")
def detector():
    settings = {**FAST, "anomaly_score": NoveltyRarity(n_estimators=4)}
    return VAEAnomalyDetector(3, **settings).fit(CUSTOMERS)


def in_library(library):
    if library == "pandas":
        return CUSTOMERS
    module = pytest.importorskip(library, reason=f"{library} is optional")
    return module.from_pandas(CUSTOMERS) if library == "polars" else module.table(CUSTOMERS)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_rows_come_back_as_a_frame_of_the_same_library(library):
    pytest.importorskip("pyarrow", reason="pyarrow is optional")
    frame = in_library(library)
    vae = VAETransformer(3, **FAST).fit(frame)
    Z = vae.transform(frame)
    assert Z.shape == (N_ROWS, 3)
    draws = vae.sample(50, random_state=0)
    for found in (draws, vae.reconstruct(frame), vae.inverse_transform(Z), vae.sample(mean=True)):
        assert type(found) is type(frame)
        if library == "pyarrow":
            assert found.schema.equals(frame.schema.remove_metadata())
        else:
            assert list(found.columns) == list(frame.columns)
            assert list(found.dtypes) == list(frame.dtypes)


def test_libraries_have_the_same_scores():
    polars = pytest.importorskip("polars", reason="polars is optional")
    pytest.importorskip("pyarrow", reason="pyarrow is optional")
    rows = CUSTOMERS.astype({"plan": str})  # the libraries order categories differently
    frame = polars.from_pandas(rows)
    vae, same = (VAETransformer(3, **FAST).fit(each) for each in (rows, frame))
    assert_array_equal(same.score_samples(frame), vae.score_samples(rows))


def test_draws_stay_within_what_was_seen(vae):
    draws = vae.sample(500, random_state=0)
    assert draws["Age"].between(CUSTOMERS["Age"].min(), CUSTOMERS["Age"].max()).all()
    assert draws["since"].between(CUSTOMERS["since"].min(), CUSTOMERS["since"].max()).all()
    assert (draws["Bill"] == draws["Bill"].round(2)).all()
    assert set(draws["city"]) == set(CUSTOMERS["city"])
    assert set(draws["plan"]) == {"senior", "family", "student"}


def test_auto_is_a_mixed_likelihood_for_names_and_a_gaussian_for_numbers():
    auto = VAETransformer(2, max_epochs=1, random_state=0)
    numbers = CUSTOMERS[["Age", "Bill"]]
    parts = auto.fit(numbers).module_.parts
    assert repr(parts.likelihood).startswith("Gaussian(")
    assert repr(parts.prior) == "StandardNormal()"
    gaussian = clone(auto).set_params(likelihood="gaussian", prior="normal").fit(numbers.to_numpy())
    assert_array_equal(auto.transform(numbers), gaussian.transform(numbers.to_numpy()))
    parts = clone(auto).fit(CUSTOMERS[:50]).module_.parts
    assert isinstance(parts.likelihood, Mixed)
    assert repr(parts.prior) == "MixturePrior(n_mixtures=1000)"
    assert repr(parts.network) == "MLP(activation='silu', hidden_layer_sizes=(512, 512))"


def test_whole_numbers_of_a_numeric_frame_come_back_whole():
    frame = CUSTOMERS[["Age", "Bill"]].astype({"Bill": "float32"})
    draws = VAETransformer(2, max_epochs=2, random_state=0).fit(frame).sample(20, random_state=1)
    assert list(draws.dtypes) == list(frame.dtypes)
    assert draws["Age"].between(18, 79).all()


def test_a_column_of_numbers_may_be_declared_by_name():
    columns = [("histogram", ["Age"]), (Categorical(n_categories="auto"), ["active"])]
    frame = CUSTOMERS[["active", "Age"]]
    vae = VAETransformer(2, **FAST | {"likelihood": Mixed(columns=columns)}).fit(frame)
    [(first, positions), _] = vae.module_.parts.likelihood.columns
    assert repr(first).startswith("Histogram(")
    assert positions == [1]
    with pytest.raises(ValueError, match="'Agee' as the name of a column, but X has the columns"):
        VAETransformer(2, likelihood=Mixed(columns=[("gaussian", ["Agee"])])).fit(frame)
    with pytest.raises(ValueError, match="columns \\['active'\\] belong to none"):
        VAETransformer(2, likelihood=Mixed(columns=[("gaussian", ["Age"])])).fit(frame)


def test_a_number_may_be_declared_as_levels(tmp_path):
    """Postal codes are names: no draw lies between them."""
    codes = np.random.default_rng(0).choice([1200, 3000, 8001], N_ROWS)
    frame = CUSTOMERS.assign(zip=codes)
    likelihood = Mixed(kinds={"zip": "level"})
    vae = VAETransformer(3, **FAST, likelihood=likelihood).fit(frame)
    draws = vae.sample(200, random_state=0)
    assert set(draws["zip"]) == {1200, 3000, 8001}
    assert draws["zip"].dtype == codes.dtype
    spec = vae.module_.likelihood.spec
    assert (spec.kinds["zip"], spec.kinds["plan"], spec.kinds["Age"]) == ("level", "level", "whole")
    skvae.save(vae, tmp_path / "zip.skvae")
    same = skvae.load(tmp_path / "zip.skvae")
    assert repr(same.likelihood) == repr(likelihood)
    assert same.module_.likelihood.spec.kinds == spec.kinds
    pd.testing.assert_frame_equal(same.sample(200, random_state=0), draws)
    known, unseen = frame[:1], frame[:1].assign(zip=7)
    assert (vae.score_samples(unseen) < vae.score_samples(known)).all()


def test_a_table_of_numbers_with_a_declared_level_is_a_table_of_names():
    frame = CUSTOMERS[["Age", "Bill"]].assign(zip=np.arange(N_ROWS) % 3 + 3000)
    vae = VAETransformer(2, **FAST, likelihood=Mixed(kinds={"zip": "level"})).fit(frame)
    assert set(vae.sample(50, random_state=0)["zip"]) == {3000, 3001, 3002}
    assert vae.transform(frame.assign(zip=1)).shape == (N_ROWS, 2)


def test_text_that_is_declared_as_levels_is_no_identifier():
    frame = CUSTOMERS.assign(street=[f"street {i}" for i in range(N_ROWS)])
    with pytest.raises(ValueError, match="'street' looks like identifiers"):
        VAETransformer(2, **FAST).fit(frame)
    vae = VAETransformer(2, **FAST, likelihood=Mixed(kinds={"street": "level"})).fit(frame)
    assert set(vae.sample(20, random_state=0)["street"]) <= set(frame["street"])


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"zip": "level"}, "'kinds' names columns that X lacks: 'zip'"),
        ({"Age": "levels"}, "'Age' of type int64 cannot be of kind 'levels'. Expected 'real' or"),
        ({"city": "real"}, "'city' .* cannot be of kind 'real'. Expected 'level'"),
        (["Age"], "'kinds' parameter of Mixed must be"),
    ],
)
def test_kinds_that_cannot_be_raise(kinds, message):
    with pytest.raises(ValueError, match=message):
        VAETransformer(2, likelihood=Mixed(kinds=kinds)).fit(CUSTOMERS)


def test_kinds_need_a_data_frame():
    vae = VAETransformer(2, likelihood=Mixed(kinds={"Age": "level"}))
    with pytest.raises(ValueError, match=r"X is an array.*Pass a data frame, or kinds=None"):
        vae.fit(np.ones((30, 2)))


@pytest.mark.parametrize("likelihood", ["gaussian", "histogram", "student_t"])
def test_likelihoods_of_numbers_refuse_names(likelihood):
    with pytest.raises(ValueError, match="columns that do not hold numbers: 'city'"):
        VAETransformer(2, likelihood=likelihood).fit(CUSTOMERS[["Age", "city"]])


def test_a_level_that_training_did_not_have_is_unlikely_and_an_outlier(vae, detector):
    rows = CUSTOMERS.head(3).copy()
    rows.loc[0, "city"] = "Lugano"
    before, after = (vae.score_samples(each) for each in (CUSTOMERS.head(3), rows))
    assert np.isfinite(after).all()
    assert after[0] < before[0]
    assert_allclose(after[1:], before[1:], rtol=1e-9)
    assert vae.transform(rows).shape == (3, 3)
    assert detector.predict(rows)[0] == -1
    assert detector.score_samples(rows)[0] < detector.score_samples(CUSTOMERS).min()


def test_draws_meet_a_condition():
    vae = VAETransformer(3, **FAST | {"max_epochs": 300}).fit(CUSTOMERS)
    draws = vae.sample(400, random_state=0, given={"plan": "student", "active": True})
    assert set(draws["plan"]) == {"student"}
    assert draws["active"].all()
    share = (draws["Age"] < 30).mean()
    assert share > 0.6 > 0.4 > (vae.sample(400, random_state=0)["Age"] < 30).mean()
    repeated = vae.sample(400, random_state=0, given={"plan": "student", "active": True})
    pd.testing.assert_frame_equal(draws, repeated)
    day = pd.Timestamp("2021-03-01")
    assert (vae.sample(5, random_state=0, given={"since": day})["since"] == day).all()


@pytest.mark.slow
def test_heavy_tails_of_a_frame_do_not_collapse():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 1000))
    frame = pd.DataFrame(
        {
            "income": np.exp(1.5 * first),
            "spent": np.exp(1.5 * (0.99 * first + np.sqrt(1 - 0.99**2) * second)),
            "kind": rng.choice(["x", "y"], 1000),
        }
    )
    draws = VAETransformer(4, random_state=0).fit(frame).sample(2000, random_state=0)
    assert draws["income"].corr(draws["spent"], method="spearman") > 0.7


def test_draws_from_arrays_meet_a_condition_on_a_position():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 1)) * [1.0, 1.0] + 0.1 * rng.normal(size=(500, 2))
    vae = VAETransformer(1, max_epochs=100, random_state=0).fit(X)
    draws = vae.sample(300, random_state=0, given={0: 1.5})
    assert_array_equal(draws[:, 0], 1.5)
    assert abs(draws[:, 1].mean() - 1.5) < 0.2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"plan": "platinum"}, "'given' has 'platinum' for column 'plan'.*levels are 'senior'"),
        ({"Age": 300}, "'given' has 300 for column 'Age'.*range from 18 to 79"),
        ({"age": 30}, "'given' has a value for 'age', but the columns .* are 'Age', 'plan'"),
        ({"Age": "old"}, "Column 'Age' held whole numbers"),
    ],
)
def test_conditions_that_training_did_not_have_raise(vae, given, message):
    with pytest.raises(ValueError, match=message):
        vae.sample(5, given=given)


def test_a_condition_on_a_rare_level_of_many_raises():
    rng = np.random.default_rng(0)
    code = pd.Categorical([f"c{i}" for i in np.r_[np.arange(150), rng.integers(0, 90, 450)]])
    vae = VAETransformer(2, **FAST).fit(pd.DataFrame({"code": code, "x": rng.normal(size=600)}))
    assert set(vae.sample(5, given={"code": "c1"})["code"]) == {"c1"}
    with pytest.raises(ValueError, match="'c149' for column 'code'.* rare levels"):
        vae.sample(5, given={"code": "c149"})


def test_a_condition_that_is_too_rare_raises_with_the_effective_sample_size():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 8)) @ rng.normal(size=(8, 8))
    vae = VAETransformer(8, max_epochs=60, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"too rare under the model.*effective sample size of \d"):
        vae.sample(100, random_state=0, given=dict(enumerate(10 * X.max(axis=0))))


def test_frames_go_through_pipelines_searches_and_columns_transformers():
    y = CUSTOMERS["active"].to_numpy()
    X = CUSTOMERS.drop(columns="active")
    vae = VAETransformer(2, **FAST)
    pipeline = make_pipeline(vae, LogisticRegression())
    assert np.isfinite(cross_val_score(pipeline, X, y, cv=2, error_score="raise")).all()
    search = GridSearchCV(vae, {"n_components": [1, 2]}, cv=2, n_jobs=2, error_score="raise").fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    transformer = ColumnTransformer(
        [("vae", vae, ["Age", "city"]), ("rest", "passthrough", ["Bill"])]
    )
    assert transformer.set_output(transform="pandas").fit_transform(X).shape == (N_ROWS, 3)


def test_a_saved_and_a_pickled_model_draw_the_same_frame(vae, detector, tmp_path):
    skvae.save(vae, tmp_path / "table.skvae")
    draws = vae.sample(30, random_state=0)
    for same in (skvae.load(tmp_path / "table.skvae"), pickle.loads(pickle.dumps(vae))):
        pd.testing.assert_frame_equal(same.sample(30, random_state=0), draws)
        assert_array_equal(same.transform(CUSTOMERS), vae.transform(CUSTOMERS))
    skvae.save(detector, tmp_path / "detector.skvae")
    same = skvae.load(tmp_path / "detector.skvae")
    assert_array_equal(same.score_samples(CUSTOMERS), detector.score_samples(CUSTOMERS))


def test_chunks_have_the_schema_of_the_first():
    vae = VAETransformer(2, **FAST)
    first, second = CUSTOMERS[:120].copy(), CUSTOMERS[120:].copy()
    second.loc[130, "city"] = "Lugano"
    vae.partial_fit(first).partial_fit(second)
    assert set(vae.sample(50, random_state=0)["city"]) <= set(first["city"])


def test_an_array_is_refused_by_a_model_of_names(vae):
    with pytest.raises(ValueError, match="X is a ndarray, but VAETransformer was fitted on a data"):
        vae.transform(np.zeros((2, 6)))


def test_missing_values_of_any_type_are_not_observed(vae):
    rows = CUSTOMERS.head(4).copy()
    for column in rows:
        gap = rows.astype({column: object}) if rows[column].dtype == bool else rows.copy()
        gap.loc[2, column] = None
        changed = np.flatnonzero(vae.score_samples(gap) != vae.score_samples(rows))
        np.testing.assert_array_equal(changed, [2])


def test_columns_of_identifiers_are_refused_by_name():
    frame = CUSTOMERS.assign(customer=[f"c{i:04}" for i in range(N_ROWS)])
    with pytest.raises(ValueError, match="'customer'"):
        VAETransformer(2).fit(frame)


def test_a_failed_fit_leaves_the_schema_of_the_previous_one(vae):
    vae = clone(vae).fit(CUSTOMERS)
    with pytest.raises(ValueError, match="'customer'"):
        vae.fit(CUSTOMERS.assign(customer=[f"c{i:04}" for i in range(N_ROWS)]))
    assert list(vae.sample(2).columns) == list(CUSTOMERS.columns)
