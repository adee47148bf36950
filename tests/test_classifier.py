"""VAEClassifier: few labels, scikit-learn's conventions of classifiers, draws by class."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

import skvae
from skvae import Autosave, VAEClassifier
from skvae._rows.labels import is_unlabeled, label_values
from skvae._training.semi_supervised import adversarial_change
from skvae.metrics import labelled_scorer
from skvae.networks import MLP, Conv
from skvae.objectives import IWAE
from skvae.priors import ExPostMixture, MixturePrior, VampPrior
from tests.helpers import Interruption

X, Y = make_blobs(150, n_features=4, centers=3, cluster_std=1.2, random_state=1)
PARTLY = np.where(np.arange(150) % 10 == 0, Y, -1)


def quick(**changes):
    defaults = {
        "n_components": 2,
        "network": MLP(hidden_layer_sizes=(8,)),
        "prior": MixturePrior(n_mixtures=2),
        "max_epochs": 20,
        "learning_rate": 2e-2,
        "random_state": 0,
    }
    return VAEClassifier(**{**defaults, **changes})


@pytest.fixture(scope="module")
def fitted():
    return quick(max_epochs=100, learning_rate=5e-3, weight_decay=0.0).fit(X, PARTLY)


# scikit-learn's conventions

CONFIGURATIONS = {
    "default": {},
    "vamp": {"prior": VampPrior(n_pseudo_inputs=5), "objective": IWAE(n_samples=2)},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2, "max_epochs": 40},
    "labels alone": {"consistency": 0},
    "dropout": {"network": MLP(hidden_layer_sizes=(16,), dropout=0.1), "weight_decay": 0.0},
    "bfloat16": {"precision": "bfloat16"},
}


def _is_slow(check):
    return check.func.__name__ == "check_classifiers_train"  # a third of the time of all checks


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(
            *(estimator, check),
            id=f"{label}-{check.func.__name__}",
            marks=[] if label == "default" and not _is_slow(check) else [pytest.mark.slow],
        )
        for label, changes in CONFIGURATIONS.items()
        for estimator, check in estimator_checks_generator(quick(**changes))
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


def test_probabilities_follow_from_their_logarithms(fitted):
    probabilities = fitted.predict_proba(X)
    assert_allclose(probabilities.sum(axis=1), 1)
    assert_allclose(np.log(probabilities), fitted.predict_log_proba(X))
    assert_array_equal(fitted.predict(X), fitted.classes_[probabilities.argmax(axis=1)])


@pytest.mark.slow
def test_rows_without_labels_help():
    digits = load_digits()
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(np.flatnonzero(digits.target == k))[:3] for k in range(10)]
    labelled = np.concatenate(chosen)
    y = np.full(len(digits.target), -1)
    y[labelled] = digits.target[labelled]
    alone = LogisticRegression().fit(digits.data[labelled], digits.target[labelled])
    model = VAEClassifier(8, network="conv", max_epochs=15, random_state=0).fit(digits.data, y)
    others = y == -1
    accuracy = model.score(digits.data[others], digits.target[others])
    assert accuracy > alone.score(digits.data[others], digits.target[others]) + 0.05


def test_rows_without_values_have_the_shares_of_the_classes(fitted):
    nothing = np.full((1, 4), np.nan)
    shares = fitted.module_.prior.log_shares.exp().detach().numpy()
    assert_allclose(fitted.predict_proba(nothing)[0], shares, rtol=1e-6)


def test_gaps_are_accepted_in_training_and_in_prediction():
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    assert quick().fit(gaps, PARTLY).score(gaps, Y) > 0.8


# Labels


def test_minus_one_is_a_class_beside_a_single_other_one():
    y = np.where(Y == 0, -1, 1)
    assert_array_equal(quick(max_epochs=1).fit(X, y).classes_, [-1, 1])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("container", [list, np.array, pd.Series, pl.Series])
def test_text_without_a_label_is_missing(container, missing):
    if container is pl.Series:
        missing = None
    names = np.array(["ant", "bee", "cat"])
    labels = [names[k] if p >= 0 else missing for k, p in zip(Y, PARTLY, strict=True)]
    labels = np.array(labels, dtype=object) if container is np.array else container(labels)
    model = quick().fit(X, labels)
    assert_array_equal(model.classes_, names)
    assert model.score(X, names[Y]) > 0.9
    assert_array_equal(model.predict(X) == "bee", quick().fit(X, PARTLY).predict(X) == 1)


@pytest.mark.parametrize("unlabeled", ["?", 9, -1.0])
def test_the_label_of_unknown_classes_is_a_parameter(unlabeled):
    of_type = str if isinstance(unlabeled, str) else type(unlabeled)
    y = [unlabeled if label < 0 else of_type(label) for label in PARTLY]
    model = quick(unlabeled=unlabeled, max_epochs=2).fit(X, y)
    expected = quick(max_epochs=2).fit(X, PARTLY)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


@given(st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=1, max_size=12))
@settings(deadline=None)
def test_minus_one_is_unknown_beside_two_classes(labels):
    values = label_values(labels)
    unknown = is_unlabeled(values, -1)
    n_others = len(set(labels) - {-1})
    assert_array_equal(unknown, (values == -1) & (n_others >= 2))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(150, -1), "at least two classes"),
        (np.where(PARTLY == 0, 0, -1) * 0, "have 1 class"),
        (Y[:-1], "inconsistent numbers of samples"),
        (None, "requires y to be passed"),
        (np.linspace(0, 1, 150), "Unknown label type"),
        (np.where(PARTLY < 0, np.inf, PARTLY), "infinity"),
    ],
)
def test_labels_that_are_not_classes_are_refused(y, message):
    model = quick()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize("prior", ["normal", ExPostMixture(n_mixtures=2)])
def test_a_prior_that_is_not_learned_is_refused(prior):
    with pytest.raises(ValueError, match="has nothing to learn in training"):
        quick(prior=prior).fit(X, PARTLY)


def test_weights_count_as_copies_of_rows_with_their_labels():
    weights = np.where(np.arange(150) % 3 == 0, 2, 1)
    copies = np.repeat(np.arange(150), weights)
    weighted = quick(max_epochs=3).fit(X, PARTLY, sample_weight=weights)
    copied = quick(max_epochs=3).fit(X[copies], PARTLY[copies])
    assert_array_equal(weighted.predict_proba(X), copied.predict_proba(X))


def test_the_order_of_rows_has_no_influence():
    order = np.random.default_rng(0).permutation(150)
    shuffled = quick(max_epochs=3).fit(X[order], PARTLY[order])
    assert_array_equal(
        shuffled.predict_proba(X), quick(max_epochs=3).fit(X, PARTLY).predict_proba(X)
    )


# Scores of partly labelled rows


def test_scores_leave_out_rows_without_labels(fitted):
    known = PARTLY >= 0
    assert fitted.score(X, PARTLY) == fitted.score(X[known], PARTLY[known])
    expected = -log_loss(PARTLY[known], fitted.predict_proba(X[known]))
    assert labelled_scorer("neg_log_loss")(fitted, X, PARTLY) == pytest.approx(expected)
    assert np.isnan(labelled_scorer()(fitted, X[~known], PARTLY[~known]))
    with pytest.raises(ValueError, match="None of the 135 rows has a label"):
        fitted.score(X[~known], PARTLY[~known])


def test_a_search_takes_partly_labelled_rows():
    grid = {"n_components": [1, 2]}
    for scoring in (None, labelled_scorer("balanced_accuracy")):
        search = GridSearchCV(quick(max_epochs=10), grid, cv=3, scoring=scoring)
        assert search.fit(X, PARTLY).best_score_ > 0.8


# Draws by class


def test_draws_are_of_the_classes_asked_for(fitted):
    for k in range(3):
        drawn = fitted.sample(300, y=k, random_state=0)
        centre = np.linalg.norm(drawn.mean(axis=0) - X[k == Y].mean(axis=0))
        assert centre < 1.5
        assert (fitted.predict(drawn) == k).mean() > 0.9
    y = np.array([2, 0, 2, 1] * 25)
    assert (fitted.predict(fitted.sample(100, y=y, random_state=0)) == y).mean() > 0.9


def test_draws_without_a_class_have_the_shares_of_the_classes(fitted):
    drawn = fitted.predict(fitted.sample(3000, random_state=0))
    assert_allclose(np.bincount(drawn) / 3000, np.bincount(Y) / 150, atol=0.1)


def test_draws_given_a_value_are_of_the_class(fitted):
    value = float(np.median(X[Y == 1, 0]))
    drawn = fitted.sample(200, y=1, given={0: value}, random_state=0)
    assert (drawn[:, 0] == np.float64(value)).all()
    assert (fitted.predict(drawn) == 1).mean() > 0.9


def test_draws_that_are_not_of_their_class_are_warned_of(fitted, monkeypatch):
    two = staticmethod(lambda Z, label, generator: np.arange(len(Z)) < 2)
    monkeypatch.setattr(VAEClassifier, "_accepted", two)
    with pytest.warns(UserWarning, match="Only 42 of 200 rows drawn of class 1 are classified"):
        assert fitted.sample(200, y=1, random_state=0).shape == (200, 4)


def test_draws_of_unknown_classes_are_refused(fitted):
    with pytest.raises(ValueError, match=r"y has the label .*7.*, but the classes are 0, 1, 2"):
        fitted.sample(2, y=7)
    with pytest.raises(ValueError, match="3 classes for n_samples=2 rows"):
        fitted.sample(2, y=[0, 1, 2])


def test_the_density_is_the_sum_over_the_classes(fitted):
    prior = fitted.module_.prior
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    of_classes = [part.log_prob(z) for part in prior.of_class]
    densities = torch.stack(of_classes, 1).exp() * prior.log_shares.exp()
    assert_allclose(prior.log_prob(z).exp().detach(), densities.sum(1).detach(), rtol=1e-5)
    joint = prior.log_joint(z).softmax(1)
    assert_allclose(
        joint.detach(), (densities / densities.sum(1, keepdim=True)).detach(), rtol=1e-4
    )


def test_a_row_of_no_class_has_a_low_likelihood(fitted):
    far = X.mean(axis=0) + 30
    assert fitted.score_samples([far])[0] < np.quantile(fitted.score_samples(X), 0.01)


# Tables


def test_frames_with_text_are_classified_and_drawn():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 200)
    table = pd.DataFrame(
        {
            "size": np.where(kind == 1, 3.0, 0.0) + rng.normal(size=200),
            "colour": np.where(rng.random(200) < 0.9, kind, 1 - kind),
        }
    )
    table["colour"] = table["colour"].map({0: "red", 1: "green"})
    y = pd.Series(np.where(kind == 1, "yes", "no"), dtype=object)
    y[10:] = None
    network = MLP(hidden_layer_sizes=(32,))
    prior = MixturePrior(n_mixtures=5)
    model = quick(network=network, prior=prior, max_epochs=60).fit(table, y)
    truth = np.where(kind == 1, "yes", "no")
    assert model.score(table, truth) > 0.85
    drawn = model.sample(100, y="yes", random_state=0)
    assert isinstance(drawn, pd.DataFrame)
    assert (drawn["colour"] == "green").mean() > 0.7


# Chunks, warm starts, files


def test_chunks_are_learned_one_by_one():
    model = quick(learning_rate=5e-3)
    for _ in range(15):
        for chunk in np.array_split(np.arange(150), 3):
            model.partial_fit(X[chunk], PARTLY[chunk], classes=[0, 1, 2])
    assert model.n_iter_ == 45
    assert model.score(X, Y) > 0.9
    before = model.predict_proba(X)
    model.partial_fit(X[:20], np.full(20, -1))  # no labels at all
    assert not np.array_equal(model.predict_proba(X), before)
    with pytest.raises(ValueError, match="y has the label 5, but the classes are 0, 1, 2"):
        model.partial_fit(X[:20], np.full(20, 5))


def test_a_class_may_come_with_a_later_chunk():
    model = quick().partial_fit(X, np.where(PARTLY == 2, -1, PARTLY), classes=[0, 1, 2])
    assert_array_equal(model.classes_, [0, 1, 2])
    assert model.predict_proba(X).shape == (150, 3)


def test_a_warm_start_continues_with_the_same_classes():
    model = quick(max_epochs=2, warm_start=True).fit(X, PARTLY)
    assert model.set_params(max_epochs=4).fit(X, PARTLY).n_iter_ == 4
    before = copy.copy(vars(model))
    with pytest.raises(ValueError, match="y has the label 3"):
        model.set_params(max_epochs=6).fit(X, PARTLY + 1)
    assert vars(model) == {**before, "max_epochs": 6}


@pytest.mark.filterwarnings("ignore:Only . of 5 rows drawn:UserWarning")
@pytest.mark.parametrize("names", [None, ["ant", "bee", "cat"]])
def test_a_file_gives_the_same_classifier(tmp_path, names):
    y = PARTLY if names is None else [names[k] if k >= 0 else None for k in PARTLY]
    model = quick(max_epochs=3).fit(X, y)
    skvae.save(model, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.classes_.dtype == model.classes_.dtype
    assert_array_equal(
        loaded.sample(5, y=model.classes_[1], random_state=0),
        model.sample(5, y=model.classes_[1], random_state=0),
    )
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_a_checkpoint_continues_to_the_same_bits(tmp_path):
    whole = quick(max_epochs=4).fit(X, PARTLY)
    model = quick(max_epochs=4, callbacks=[Autosave(tmp_path), Interruption(3, RuntimeError)])
    with pytest.raises(RuntimeError):
        model.fit(X, PARTLY)
    resumed = quick(max_epochs=4, callbacks=[Autosave(tmp_path, resume=True)])
    assert_array_equal(resumed.fit(X, PARTLY).predict_proba(X), whole.predict_proba(X))
    with pytest.raises(ValueError, match="rows"):
        resumed.fit(X, np.where(PARTLY == 2, -1, PARTLY))


def test_the_exported_classifier_gives_the_same_probabilities(tmp_path, fitted):
    runtime = pytest.importorskip("onnxruntime")
    skvae.export_onnx(fitted, tmp_path / "classifier.onnx", part="classifier")
    session = runtime.InferenceSession(str(tmp_path / "classifier.onnx"))
    [found] = session.run(None, {"X": X.astype(np.float32)})
    assert_allclose(found, fitted.predict_proba(X), atol=1e-5)
    vae = skvae.VAETransformer(2, max_epochs=1).fit(X)
    with pytest.raises(ValueError, match="has no classes"):
        skvae.export_onnx(vae, tmp_path / "none.onnx", part="classifier")


# Images


@pytest.mark.parametrize("shape", [(28, 28), (40, 30), (32, 64)])
def test_images_are_changed_by_small_linear_maps(shape):
    height, width = shape
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    x = torch.from_numpy(np.tile(places.astype(np.float64).ravel(), (60, 1)))
    network = Conv(image_shape=(*shape, 2))  # the colours of a pixel are its place
    changed = network.augment(x, torch.Generator().manual_seed(0)).unflatten(1, (*shape, 2))
    inner = slice(height // 4, -height // 4), slice(width // 4, -width // 4)
    centre = (np.array(shape) - 1) / 2
    design = (places - centre)[inner].reshape(-1, 2)
    design = np.column_stack([design, np.ones(len(design))])
    for image in changed.numpy():
        found = image[inner].reshape(-1, 2)
        coefficients, *_ = np.linalg.lstsq(design, found, rcond=None)
        assert_allclose(design @ coefficients, found, atol=1e-6)
        assert (abs(coefficients[2] - centre) <= np.array(shape) / 14 + 1e-6).all()
        scales = np.linalg.svd(coefficients[:2])[1]
        assert 0.75 < scales.min() <= scales.max() < 1.35
        assert abs(coefficients[1, 0]) < 0.6  # sine of the turn, and slant
    assert changed.std(0).min() > 0  # every image has its own change


def test_changed_images_miss_what_the_images_miss():
    x = torch.rand(50, 28 * 28, generator=torch.Generator().manual_seed(0))
    network = Conv(image_shape=(28, 28))
    whole = network.augment(x, torch.Generator().manual_seed(1))
    assert not whole.isnan().any()
    x[:, 28 * 14 + 14] = torch.nan
    x[0] = torch.nan
    changed = network.augment(x, torch.Generator().manual_seed(1))
    assert changed[0].isnan().all()
    n_missing = changed[1:].isnan().sum(1)
    assert n_missing.max() <= 4
    assert n_missing.float().mean() > 0.5
    seen = ~changed[1:].isnan()
    near = (changed[1:] - whole[1:])[seen].abs() > 1e-5
    assert near.sum() < 10 * len(x)  # pixels beside the gap


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_the_adversarial_change_has_its_length_and_raises_the_divergence(network):
    digits = load_digits().data.astype(np.float32)
    model = VAEClassifier(4, network=network, max_epochs=5, random_state=0)
    module = model.fit(digits[:300], load_digits().target[:300]).module_
    inputs = module.encoder_inputs(torch.from_numpy(digits[300:400]))
    target = module.log_classes(inputs).detach()
    spread = (inputs - inputs.mean(0)).square().sum(1).mean().sqrt()

    def divergence(change):
        log_probs = module.log_classes(inputs + change)
        return (target.exp() * (target - log_probs)).sum(1).mean().item()

    generator = torch.Generator().manual_seed(0)
    change = adversarial_change(module, inputs, target, 0.2, generator)
    assert_allclose(change.norm(dim=1), 0.2 * float(spread), rtol=1e-5)
    noise = torch.randn(inputs.shape, generator=generator)
    random = 0.2 * spread * noise / noise.norm(dim=1, keepdim=True)
    assert divergence(change) > 3 * divergence(random)
