"""Displays of pipelines that end in an estimator of this package."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.likelihoods import Mixed
from skvae.plotting import (
    AnomalyScoreDisplay,
    ExplanationDisplay,
    InterpolationDisplay,
    LatentSpaceDisplay,
    ManifoldDisplay,
    ReconstructionDisplay,
    SampleDisplay,
    TrainingCurveDisplay,
)
from tests.plotting.conftest import TINY

DETECTOR = VAEAnomalyDetector(**TINY, anomaly_score="elbo")
DRAWINGS = {
    "reconstruction": lambda model, X: ReconstructionDisplay.from_estimator(model, X),
    "sample": lambda model, X: SampleDisplay.from_estimator(model, X, random_state=0),
    "latent": lambda model, X: LatentSpaceDisplay.from_estimator(model, X),
    "manifold": lambda model, X: ManifoldDisplay.from_estimator(model, n_points=3),
    "interpolation": lambda model, X: InterpolationDisplay.from_estimator(model, X[:2], X[2:4]),
    "curves": lambda model, X: TrainingCurveDisplay.from_estimator(model),
    "scores": lambda model, X: AnomalyScoreDisplay.from_estimator(model, X),
    "explanation": lambda model, X: ExplanationDisplay.from_estimator(model, X[:2]),
}
COMPUTED = {
    "reconstruction": ("X_reconstructed",),
    "sample": ("samples",),
    "latent": ("Z",),
    "manifold": ("X_decoded",),
    "interpolation": ("X_path",),
    "curves": (),
    "scores": ("scores", "X_reconstructed"),
    "explanation": ("contributions", "scores"),
}


@pytest.fixture(scope="module")
def scaled(iris):
    """Return a pipeline, and the rows as its last step takes them."""
    frame = iris.data.set_axis([f"flower {row}" for row in range(150)])
    pipeline = Pipeline([("scale", StandardScaler()), ("vae", DETECTOR)]).fit(frame)
    return pipeline, frame, pipeline[:-1].transform(frame)


@pytest.mark.parametrize("kind", DRAWINGS)
def test_a_display_of_a_pipeline_is_that_of_its_last_step(scaled, kind):
    pipeline, frame, rows = scaled
    display, expected = DRAWINGS[kind](pipeline, frame), DRAWINGS[kind](pipeline[-1], rows)
    for name in COMPUTED[kind]:
        np.testing.assert_array_equal(getattr(display, name), getattr(expected, name))


@pytest.mark.parametrize("kind", [kind for kind in DRAWINGS if kind not in ("latent", "curves")])
def test_columns_have_the_names_of_the_input(scaled, kind):
    pipeline, frame, _ = scaled
    assert list(DRAWINGS[kind](pipeline, frame).feature_names) == list(frame.columns)


def test_rows_have_the_labels_of_the_input(scaled):
    pipeline, frame, _ = scaled
    display = ExplanationDisplay.from_estimator(pipeline, frame[3:5])
    titles = [panel.get_title(loc="right").partition(",")[0] for panel in display.axes_]
    assert titles == ["row flower 3", "row flower 4"]


def test_columns_that_are_made_have_the_names_of_their_step(iris):
    columns = make_column_transformer((StandardScaler(), [0, 2]), ("passthrough", [1]))
    pipeline = make_pipeline(columns, VAETransformer(**TINY)).fit(iris.data)
    display = ManifoldDisplay.from_estimator(pipeline, n_points=2)
    assert list(display.feature_names) == list(columns.fit(iris.data).get_feature_names_out())


def test_steps_without_names_keep_those_of_a_frame_of_the_same_width(iris):
    double = FunctionTransformer(lambda X: 2 * np.asarray(X))
    pipeline = make_pipeline(double, VAETransformer(**TINY)).fit(iris.data)
    display = ReconstructionDisplay.from_estimator(pipeline, iris.data)
    assert list(display.feature_names) == list(iris.data.columns)
    assert ManifoldDisplay.from_estimator(pipeline, n_points=2).feature_names is None
    halved = FunctionTransformer(lambda X: np.asarray(X)[:, :2])
    pipeline = make_pipeline(halved, VAETransformer(**TINY)).fit(iris.data)
    display = ReconstructionDisplay.from_estimator(pipeline, iris.data)
    assert [t.get_text() for t in display.axes_[0].get_yticklabels()] == ["x0", "x1"]


def test_nested_pipelines_are_opened(iris):
    inner = make_pipeline(FunctionTransformer(), VAETransformer(**TINY))
    pipeline = make_pipeline(StandardScaler(), inner).fit(iris.data)
    display = LatentSpaceDisplay.from_estimator(pipeline, iris.data)
    np.testing.assert_array_equal(display.Z, pipeline.transform(iris.data))


def test_a_pipeline_of_frames_explains_values(customers):
    pipeline = make_pipeline(FunctionTransformer(), DETECTOR).fit(customers)
    display = ExplanationDisplay.from_estimator(pipeline, customers[:1])
    explained = pipeline[-1].explain(customers[:1])
    assert display.contributions.equals(explained)
    first = display.axes_[0].get_yticklabels()[0].get_text()
    assert first.startswith(f"{explained['feature'][0]} {explained['value'][0]}")


def test_other_pipelines_raise(iris):
    pipeline = make_pipeline(VAETransformer(**TINY), LogisticRegression())
    with pytest.raises(ValueError, match=r"The pipeline ends in LogisticRegression\(\). Pass"):
        LatentSpaceDisplay.from_estimator(pipeline, iris.data)
    pipeline = make_pipeline(StandardScaler(), VAETransformer())
    with pytest.raises(NotFittedError):
        LatentSpaceDisplay.from_estimator(pipeline, iris.data)
    with pytest.raises(ValueError, match="VAETransformer does not explain scores"):
        ExplanationDisplay.from_estimator(pipeline, iris.data)


@pytest.fixture(scope="module", params=["polars", "pyarrow"])
def in_library(request, customers):
    """Return the customers in another library, and a detector of them."""
    module = pytest.importorskip(request.param, reason=f"{request.param} is optional")
    frame = customers.reset_index(drop=True)
    frame = module.from_pandas(frame) if request.param == "polars" else module.table(frame)
    return VAEAnomalyDetector(**TINY, prior="normal", anomaly_score="elbo").fit(frame), frame


@pytest.mark.parametrize("kind", DRAWINGS)
def test_every_display_shows_tables_of_names(of_customers, customers, kind):
    DRAWINGS[kind](of_customers, customers).figure_.canvas.draw()


@pytest.mark.parametrize("kind", ["sample", "interpolation", "scores", "explanation"])
def test_tables_of_other_libraries_are_shown(in_library, kind):
    DRAWINGS[kind](*in_library)


def test_numbers_that_are_declared_as_levels_are_drawn_as_levels(customers):
    frame = customers.assign(zip=np.arange(60) % 3 + 3000)
    model = VAEAnomalyDetector(
        **TINY, prior="normal", anomaly_score="elbo", likelihood=Mixed(kinds={"zip": "level"})
    ).fit(frame)
    display = ReconstructionDisplay.from_estimator(model, frame, features=["zip"])
    names = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert names == ["zip: 3000", "zip: 3001", "zip: 3002"]
    samples = SampleDisplay.from_estimator(model, frame, features=["zip"], random_state=0)
    levels = {label.get_text() for label in samples.axes_[0].get_xticklabels()}
    assert levels == {"3000", "3001", "3002"}
    assert "zip" in ExplanationDisplay.from_estimator(model, frame[:1]).feature_names
