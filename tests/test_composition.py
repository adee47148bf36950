"""The estimators in scikit-learn's pipelines and searches, and their copies, on digits."""

import copy
import pickle
from html.parser import HTMLParser

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import estimator_html_repr

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.likelihoods import Bernoulli, Gaussian
from skvae.networks import MLP, Conv
from skvae.objectives import ELBO
from skvae.priors import StandardNormal
from tests.helpers import FEW_TREES

QUICK = {
    "n_components": 8,
    "network": MLP(hidden_layer_sizes=(64,)),
    "max_epochs": 10,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def split(digits):
    X = digits.data.astype(np.float32)
    return train_test_split(X, digits.target, train_size=600, test_size=300, random_state=0)


def small_vae(**changes):
    return VAETransformer(**{**QUICK, **changes})


def classifying_pipeline(**changes):
    classifier = LogisticRegression(max_iter=1000)
    return Pipeline([("vae", small_vae(**changes)), ("classifier", classifier)])


def isotropic_normal_score(X_train, X_test):
    """Return the mean log-likelihood of a single Gaussian, as of a VAE that learned nothing."""
    variance = X_train.var(axis=0).mean()
    squares = np.square(X_test - X_train.mean(axis=0)) / variance
    return -0.5 * (squares + np.log(2 * np.pi * variance)).sum(axis=1).mean()


def test_a_classifier_on_the_embedding_beats_chance(split):
    X_train, X_test, y_train, y_test = split
    pipeline = classifying_pipeline().fit(X_train, y_train)
    chance = DummyClassifier().fit(X_train, y_train).score(X_test, y_test)
    assert pipeline.score(X_test, y_test) > 0.8 > chance
    assert_array_equal(
        pipeline.predict(X_test), pipeline[-1].predict(pipeline["vae"].transform(X_test))
    )


def test_pipeline_inverts_to_the_units_of_X(split):
    X_train, X_test, _, _ = split
    pipeline = Pipeline([("scale", MinMaxScaler((-1, 1))), ("vae", small_vae())]).fit(X_train)
    X_back = pipeline.inverse_transform(pipeline.transform(X_test))
    error = np.square(X_test - X_back).mean()
    assert error < 0.5 * np.square(X_test - X_train.mean(axis=0)).mean()


def test_grid_search_finds_the_better_latent_size(split):
    X_train, X_test, y_train, y_test = split
    search = GridSearchCV(classifying_pipeline(), {"vae__n_components": [1, 8]}, cv=2)
    search.fit(X_train, y_train)
    assert search.best_params_ == {"vae__n_components": 8}
    assert search.best_estimator_["vae"].transform(X_test).shape == (300, 8)
    few, many = search.cv_results_["mean_test_score"]
    assert many > few + 0.2
    assert search.score(X_test, y_test) > 0.8


def test_grid_search_finds_the_better_hidden_layers(split):
    """It selects by log-likelihood, without a scorer, and leaves the given network as it was."""
    X_train, X_test, _, _ = split
    network = MLP(hidden_layer_sizes=(64,))
    pipeline = Pipeline([("vae", small_vae(network=network))])
    grid = {"vae__network__hidden_layer_sizes": [(1,), (4,), (64,)]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X_train)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] < scores[2] - 10
    sizes = search.best_params_["vae__network__hidden_layer_sizes"]
    assert sizes == grid["vae__network__hidden_layer_sizes"][np.argmax(scores)]
    encoder = search.best_estimator_["vae"].module_.encoder
    linear = [layer for layer in encoder if isinstance(layer, torch.nn.Linear)]
    assert tuple(layer.out_features for layer in linear) == (*sizes, 16)
    assert network.hidden_layer_sizes == (64,)
    assert search.score(X_test) > isotropic_normal_score(X_train, X_test) + 10


@pytest.mark.slow
def test_a_search_reaches_into_a_part_given_by_its_short_name(split):
    X, _, y, _ = split
    vae = VAETransformer(2, max_epochs=1, random_state=0)
    pipeline = Pipeline([("vae", vae), ("clf", LogisticRegression(max_iter=1000))])
    grid = {"vae__network__hidden_layer_sizes": [(8,), (4, 2)], "vae__objective__beta": [2.0]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    best = search.best_estimator_["vae"]
    assert best.network.hidden_layer_sizes in ((8,), (4, 2))
    assert best.objective.beta == 2.0
    assert vae.network == "auto"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("network__dropout", {"network": "conv"}),
        ("likelihood__noise", {}),
        ("prior__n_pseudo_inputs", {"prior": "vamp"}),
        ("objective__beta", {}),
        ("anomaly_score__n_neighbors", {}),
    ],
)
def test_a_nested_parameter_turns_a_short_name_into_its_object(name, part):
    role, _, parameter = name.partition("__")
    detector = VAEAnomalyDetector(**part)
    detector.set_params(**{name: 3})
    assert getattr(getattr(detector, role), parameter) == 3
    assert detector.get_params()[name] == 3
    with pytest.raises(ValueError, match="Invalid parameter 'no_such_thing'"):
        VAEAnomalyDetector(**part).set_params(**{f"{role}__no_such_thing": 1})


def test_a_short_name_and_its_parameter_can_be_set_together():
    vae = VAETransformer(network="conv").set_params(network="mlp", network__dropout=0.1)
    assert repr(vae.network) == "MLP(dropout=0.1)"


def test_halving_search_takes_epochs_as_resource(split):
    X_train, _, _, _ = split
    search = HalvingGridSearchCV(
        Pipeline([("vae", small_vae())]),
        {"vae__n_components": [1, 2, 8]},
        resource="vae__max_epochs",
        min_resources=4,
        max_resources=12,
        factor=2,
        cv=2,
        random_state=0,
    ).fit(X_train)
    assert search.n_resources_ == [4, 8]
    assert search.n_candidates_ == [3, 2]
    winner = search.best_estimator_["vae"]
    assert winner.n_iter_ == winner.max_epochs == 8
    assert len(winner.history_["train_loss"]) == 8
    assert search.best_params_["vae__n_components"] == 8


def test_cross_val_score_needs_no_scoring(split):
    X_train, _, _, _ = split
    folds = KFold(3)
    scores = cross_val_score(small_vae(), X_train, cv=folds)
    for score, (train, test) in zip(scores, folds.split(X_train), strict=True):
        vae = small_vae().fit(X_train[train])
        assert score == vae.score(X_train[test]) == vae.score_samples(X_train[test]).mean()
        assert score > isotropic_normal_score(X_train[train], X_train[test]) + 5


def test_detector_works_in_grid_search(split):
    """Trained on all digits but the ones; the ones are the outliers."""
    X_train, X_test, y_train, y_test = split
    by_likelihood = VAEAnomalyDetector(**QUICK, anomaly_score="log_likelihood")
    detector = Pipeline([("detector", by_likelihood)])
    detector.fit(X_train[y_train != 1])
    assert roc_auc_score(y_test != 1, detector.decision_function(X_test)) > 0.6
    search = GridSearchCV(
        detector, {"detector__network__hidden_layer_sizes": [(1,), (64,)]}, cv=2, scoring=mean_score
    ).fit(X_train)
    assert search.best_params_["detector__network__hidden_layer_sizes"] == (64,)


def mean_score(estimator, X, y=None):
    return estimator.score_samples(X).mean()


def test_feature_union_joins_embeddings(split):
    X_train, X_test, y_train, y_test = split
    union = FeatureUnion([("pca", PCA(4, svd_solver="full")), ("vae", small_vae())]).fit(X_train)
    Z = union.transform(X_test)
    assert_array_equal(Z[:, :4], PCA(4, svd_solver="full").fit(X_train).transform(X_test))
    assert_array_equal(Z[:, 4:], small_vae().fit(X_train).transform(X_test))
    assert list(union.get_feature_names_out()) == [
        *(f"pca__pca{i}" for i in range(4)),
        *(f"vae__vaetransformer{i}" for i in range(8)),
    ]
    classifier = LogisticRegression(max_iter=1000).fit(union.transform(X_train), y_train)
    assert classifier.score(Z, y_test) > 0.8


def test_column_transformer_embeds_columns_separately(split):
    """Each half of the image has an autoencoder of its own."""
    X_train, X_test, y_train, y_test = split
    halves = ColumnTransformer(
        [
            ("upper", small_vae(n_components=4), slice(0, 32)),
            ("lower", small_vae(n_components=4, likelihood="gaussian"), slice(32, 64)),
        ]
    ).fit(X_train)
    Z = halves.transform(X_test)
    lower = small_vae(n_components=4).fit(X_train[:, 32:])
    assert_array_equal(Z[:, 4:], lower.transform(X_test[:, 32:]))
    assert halves.get_feature_names_out()[4] == "lower__vaetransformer0"
    classifier = LogisticRegression(max_iter=1000).fit(halves.transform(X_train), y_train)
    assert classifier.score(Z, y_test) > 0.6


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_returns_frames_of_the_library(split, library):
    frames = pytest.importorskip(library)
    X_train = split[0]
    names = [f"pixel{i}" for i in range(64)]
    table = frames.DataFrame(X_train, **{"columns" if library == "pandas" else "schema": names})
    pipeline = Pipeline([("scale", MinMaxScaler()), ("vae", small_vae(likelihood="bernoulli"))])
    Z = pipeline.set_output(transform=library).fit_transform(table)
    assert isinstance(Z, frames.DataFrame)
    assert list(Z.columns) == [f"vaetransformer{i}" for i in range(8)]
    assert list(pipeline["vae"].feature_names_in_) == names
    plain = clone(pipeline).set_output(transform="default").fit(table).transform(table)
    assert isinstance(plain, np.ndarray)
    assert_array_equal(Z.to_numpy(), plain)


def test_set_output_keeps_the_index_of_pandas(split):
    pandas = pytest.importorskip("pandas")
    X_train = split[0]
    table = pandas.DataFrame(X_train, index=np.arange(len(X_train))[::-1] * 10)
    table.columns = table.columns.map(str)
    Z = small_vae(max_epochs=1).set_output(transform="pandas").fit_transform(table)
    assert Z.index.equals(table.index)


@pytest.fixture
def one_thread():
    """Limit torch to the one thread of a joblib worker, for the same order of summation."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_jobs_give_the_same_numbers_as_one(split):
    X_train, X_test, _, _ = split
    pipeline = Pipeline([("vae", small_vae(max_epochs=5))])
    searches = [
        GridSearchCV(pipeline, {"vae__n_components": [2, 4]}, cv=2, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        one, two = (search.fit(X_train) for search in searches)
        parallel = cross_val_score(small_vae(max_epochs=5), X_train, cv=3, n_jobs=2)
    for name in ("split0_test_score", "split1_test_score"):
        assert_array_equal(one.cv_results_[name], two.cv_results_[name])
    assert len(set(one.cv_results_["split0_test_score"])) == 2
    assert_array_equal(one.transform(X_test), two.transform(X_test))
    assert_array_equal(parallel, cross_val_score(small_vae(max_epochs=5), X_train, cv=3))


def through_pickle(estimator, folder):
    return pickle.loads(pickle.dumps(estimator))


def through_cloudpickle(estimator, folder):
    cloudpickle = pytest.importorskip("cloudpickle")
    return pickle.loads(cloudpickle.dumps(estimator))


def through_joblib(estimator, folder):
    joblib.dump(estimator, folder / "estimator.joblib")
    return joblib.load(folder / "estimator.joblib")


def through_deepcopy(estimator, folder):
    return copy.deepcopy(estimator)


def outputs(estimator, X):
    """Return the results of all public methods."""
    answers = {
        "reconstruct": estimator.reconstruct(X),
        "score_samples": estimator.score_samples(X),
        "sample": estimator.sample(5, random_state=0),
        "transform": estimator.transform(X),
    }
    answers["mean"], answers["std"] = estimator.posterior(X)
    answers["inverse_transform"] = estimator.inverse_transform(answers["mean"])
    if isinstance(estimator, VAETransformer):
        answers["score"] = estimator.score(X)
    else:
        answers["predict"] = estimator.predict(X)
        answers["offset_"] = estimator.offset_
    return answers


ROUND_TRIPS = [through_deepcopy, through_pickle, through_cloudpickle, through_joblib]
TRAVELLERS = [
    small_vae(max_epochs=2),
    small_vae(max_epochs=2, network=Conv(channels=(4, 8), hidden_units=16)),
    small_vae(max_epochs=2, likelihood=Gaussian(noise="per_sample"), early_stopping=True),
    VAEAnomalyDetector(
        4,
        network=MLP(hidden_layer_sizes=(16,), dropout=0.1),
        max_epochs=2,
        anomaly_score=FEW_TREES,
        random_state=0,
    ),
]


@pytest.mark.parametrize("estimator", TRAVELLERS, ids=["mlp", "conv", "per_sample", "detector"])
@pytest.mark.parametrize("travel", ROUND_TRIPS)
def test_a_copy_gives_the_same_results(split, tmp_path, travel, estimator):
    X_train, X_test, _, _ = split
    estimator = clone(estimator).fit(X_train[:100])
    before = outputs(estimator, X_test)
    copied = travel(estimator, tmp_path)
    after = outputs(copied, X_test)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert_array_equal(after[name], value, err_msg=name)
    assert repr(copied) == repr(estimator)
    assert copied.history_["train_loss"].tolist() == estimator.history_["train_loss"].tolist()


@pytest.mark.parametrize("estimator", TRAVELLERS, ids=["mlp", "conv", "per_sample", "detector"])
def test_a_clone_is_unfitted_and_fits_to_the_same_model(split, estimator):
    X_train, X_test, _, _ = split
    fitted = clone(estimator).fit(X_train)
    again = clone(fitted)
    assert not [name for name in vars(again) if name.endswith("_")]
    assert repr(again) == repr(fitted)
    answers = outputs(again.fit(X_train), X_test)
    for name, value in outputs(fitted, X_test).items():
        assert_array_equal(answers[name], value, err_msg=name)


@pytest.mark.parametrize("travel", [through_deepcopy, through_pickle, through_joblib])
def test_further_training_of_a_copy_gives_the_same_model(split, tmp_path, travel):
    """The optimiser's moments and the generators are copied, and not shared."""
    X_train, X_test, _, _ = split
    original = small_vae(max_epochs=2).fit(X_train)
    copied = travel(original, tmp_path)
    untouched = copied.transform(X_test)
    original.partial_fit(X_train)
    assert_array_equal(copied.transform(X_test), untouched)
    assert not np.array_equal(original.transform(X_test), untouched)
    copied.partial_fit(X_train)
    assert_array_equal(copied.transform(X_test), original.transform(X_test))


def test_sample_weights_are_routed_to_the_steps_that_request_them(split):
    """With weights of zero for a digit, the classifier never predicts it."""
    X_train, X_test, y_train, y_test = split
    weights = (y_train != 3).astype(np.float64)
    with config_context(enable_metadata_routing=True):
        pipeline = classifying_pipeline()
        pipeline["vae"].set_fit_request(sample_weight=False)
        pipeline["classifier"].set_fit_request(sample_weight=True)
        pipeline["classifier"].set_score_request(sample_weight=True)
        pipeline.fit(X_train, y_train, sample_weight=weights)
        predicted = pipeline.predict(X_test)
        assert 3 not in predicted
        others = y_test != 3
        weighted = pipeline.score(X_test, y_test, sample_weight=others)
        assert weighted == pytest.approx(np.mean(predicted[others] == y_test[others]))
        assert weighted > 0.8
        result = cross_validate(
            pipeline, X_train, y_train, cv=2, params={"sample_weight": weights}, error_score="raise"
        )
        assert result["test_score"].min() > 0.7
        alone = Pipeline([("vae", small_vae().set_fit_request(sample_weight=True))])
        alone.fit(X_train, sample_weight=weights)
    for fitted, rows in ((pipeline["vae"], X_train), (alone["vae"], X_train[weights > 0])):
        assert_array_equal(small_vae().fit(rows).transform(X_test), fitted.transform(X_test))


def test_nested_parameters_are_set_and_read():
    pipeline = Pipeline([("vae", VAETransformer(network=MLP(), objective=ELBO()))])
    pipeline.set_params(
        vae__n_components=3,
        vae__network__hidden_layer_sizes=(5,),
        vae__network__activation="tanh",
        vae__objective__beta=4.0,
    )
    vae = pipeline["vae"]
    assert vae.get_params()["network__hidden_layer_sizes"] == (5,)
    assert (vae.n_components, vae.network.activation, vae.objective.beta) == (3, "tanh", 4.0)
    pipeline.set_params(vae__likelihood=Gaussian(), vae__likelihood__noise="shared")
    assert vae.likelihood.noise == "shared"
    with pytest.raises(ValueError, match="Invalid parameter 'depth' for estimator MLP"):
        pipeline.set_params(vae__network__depth=3)


def test_nested_parameters_reach_the_fit(split):
    X_train = split[0][:100]
    vae = small_vae(max_epochs=2, network=MLP(), objective=ELBO(), likelihood=Gaussian())
    vae.set_params(network__hidden_layer_sizes=(5,), likelihood__scaling="none").fit(X_train)
    assert vae.module_.encoder[0].out_features == 5
    assert vae.module_.likelihood.scaling == "none"
    loose, tight = (
        clone(vae).set_params(objective__beta=beta, max_epochs=20).fit(X_train) for beta in (0, 50)
    )
    assert tight.history_["train_kl"][-1] < 0.2 * loose.history_["train_kl"][-1]


@pytest.mark.parametrize(
    "estimator",
    [
        VAETransformer(),
        VAETransformer(
            2, network=MLP(hidden_layer_sizes=(8,)), objective=ELBO(beta=4), random_state=0
        ),
        VAETransformer(
            network=Conv(image_shape=(9, 14)), likelihood=Gaussian(noise="shared", scaling="none")
        ),
        VAEAnomalyDetector(likelihood=Bernoulli(), prior=StandardNormal(), anomaly_score="kl"),
    ],
)
def test_repr_evaluates_to_an_equal_estimator(estimator):
    again = eval(repr(estimator))
    assert repr(again) == repr(estimator)
    assert type(again) is type(estimator)
    plain, original = again.get_params(), estimator.get_params()
    assert plain.keys() == original.keys()
    assert all(repr(plain[name]) == repr(original[name]) for name in plain)


def test_repr_shows_only_parameters_that_differ_from_the_defaults():
    assert repr(VAETransformer()) == "VAETransformer()"
    vae = VAETransformer(network=MLP(hidden_layer_sizes=(8,)), objective=ELBO(beta=4))
    assert repr(vae) == (
        "VAETransformer(network=MLP(hidden_layer_sizes=(8,)), objective=ELBO(beta=4))"
    )


def test_html_repr_names_all_steps(split):
    pipeline = classifying_pipeline(max_epochs=1)
    assert "Not fitted" in estimator_html_repr(pipeline)
    page = pipeline.fit(split[0], split[2])._repr_html_()
    assert "Not fitted" not in page
    text = visible_text(page)
    for name in ("VAETransformer", "MLP", "LogisticRegression", "hidden_layer_sizes"):
        assert name in text


def visible_text(page):
    pieces = []
    parser = HTMLParser()
    parser.handle_data = pieces.append
    parser.feed(page)
    return " ".join(pieces)


def test_results_in_float64_and_float32_agree(split):
    X_train, X_test, _, _ = split
    vae = small_vae().fit(X_train)
    single, double = vae.transform(X_test), vae.transform(X_test.astype(np.float64))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert_allclose(single, double, rtol=1e-4, atol=1e-4)
    assert vae.score_samples(X_test).dtype == np.float64


def test_polars_frames_keep_their_precision(split):
    polars = pytest.importorskip("polars")
    X = split[0].astype(np.float64)
    vae = small_vae(max_epochs=1).fit(X)
    Z = vae.transform(X)
    names = [f"pixel{i}" for i in range(64)]
    from_table = small_vae(max_epochs=1).fit(polars.DataFrame(X, schema=names))
    assert_array_equal(from_table.transform(polars.DataFrame(X, schema=names)), Z)
    latent = [f"latent{i}" for i in range(8)]
    X_back = from_table.inverse_transform(polars.DataFrame(Z, schema=latent)).to_numpy()
    assert_array_equal(X_back, vae.inverse_transform(Z))
    assert Z.dtype == X_back.dtype == np.float64
    bytes_ = polars.DataFrame(X.astype(np.uint8), schema=names)
    assert from_table.transform(bytes_).dtype == np.float32
