"""The inception score: samples judged by a classifier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import rel_entr
from sklearn.utils import check_array

from skvae._validation import check_count


class InceptionScore(NamedTuple):
    """Between 1 and the number of classes."""

    mean: float
    std: float


def inception_score(classifier, X, *, n_splits=1):
    """Score samples by what a classifier makes of them; higher is better.

    Good samples show one class each, distinctly, and all the classes together: p(y|x) is sharp and
    its mean p(y) is flat. The score is 1 where every row gets the same p(y|x), and the number of
    classes where every row is certain and the classes are equally frequent.

    Parameters
    ----------
    classifier : object
        Fitted scikit-learn classifier with `predict_proba`, trained on real rows. Scores of
        different classifiers cannot be compared.
    X : array-like of shape (n_samples, n_features)
        Samples, such as `sample` draws, in the units that the classifier was trained in.
    n_splits : int, default=1
        Equal parts of X, cut in the order of the rows, over which mean and deviation are taken. Few
        rows a part lower the score.

    Returns
    -------
    mean : float
        Mean score of the parts.
    std : float
        Standard deviation over the parts; NaN for one part. The two come as a named tuple.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    ValueError
        If the classifier has no `predict_proba` or it does not return the probabilities of classes,
        or if `n_splits` is not between 1 and the number of rows.

    See Also
    --------
    skvae.metrics.frechet_distance : Compares samples with real rows, and sees missing variety
        within a class.

    Notes
    -----
    ``exp(E_x KL(p(y|x) || p(y)))``, section 4 of [1]_, with the classifier of the data at hand in
    place of the Inception network. It never looks at real rows: a model that repeats one perfect
    row per class scores best.

    References
    ----------
    .. [1] Salimans et al. (2016), "Improved Techniques for Training GANs", section 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skvae.metrics import inception_score
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = KNeighborsClassifier().fit(X, y)
    >>> round(inception_score(classifier, X).mean, 1)  # of 10 classes
    9.8
    """
    check_count("n_splits", n_splits)
    probabilities = _class_probabilities(classifier, X)
    if n_splits > len(probabilities):
        raise ValueError(
            f"n_splits={n_splits} is more than the {len(probabilities)} rows of X. "
            "Pass more rows, or lower n_splits."
        )
    scores = [_score(part) for part in np.array_split(probabilities, n_splits)]
    std = float(np.std(scores)) if n_splits > 1 else float("nan")
    return InceptionScore(float(np.mean(scores)), std)


def _score(probabilities: np.ndarray) -> float:
    divergences = rel_entr(probabilities, probabilities.mean(axis=0)).sum(axis=1)
    return np.exp(divergences.mean())


def _class_probabilities(classifier, X) -> np.ndarray:
    """Return p(y|x), float64, (n_samples, n_classes)."""
    if not hasattr(classifier, "predict_proba"):
        raise ValueError(
            f"{type(classifier).__name__} has no method 'predict_proba'. Pass a fitted classifier "
            "that has one, or wrap it in sklearn.calibration.CalibratedClassifierCV."
        )
    probabilities = check_array(
        classifier.predict_proba(X), dtype=np.float64, input_name="predict_proba(X)"
    )
    if probabilities.min() < 0 or np.abs(probabilities.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(
            f"predict_proba of {type(classifier).__name__} must return probabilities, each row of "
            "sum 1. Pass a classifier of one label per row."
        )
    return probabilities
