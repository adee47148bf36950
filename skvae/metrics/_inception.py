"""The inception score of samples, from the probabilities of a classifier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import rel_entr
from sklearn.utils import check_array

from skvae._validation import check_count


class InceptionScore(NamedTuple):
    """Scores between 1 and the number of classes: mean and standard deviation over the parts."""

    mean: float
    std: float


def inception_score(classifier, X, *, n_splits=1):
    """Return the inception score of samples by a classifier; higher is better.

    Each good sample clearly belongs to one class, and together they cover all classes: p(y|x) is
    sharp and its mean p(y) is flat. The score is 1 if p(y|x) is the same for every row, and equals
    the number of classes if every row is certain and the classes are equally frequent.

    Parameters
    ----------
    classifier : object
        Fitted scikit-learn classifier with `predict_proba`, trained on real rows. Scores by
        different classifiers cannot be compared.
    X : array-like of shape (n_samples, n_features)
        Samples, such as draws from `sample`, in the units of the rows that trained the classifier.
    n_splits : int, default=1
        Number of equal parts into which X is cut, in the order of its rows; the score is computed
        for each part. Few rows per part lower the score.

    Returns
    -------
    mean : float
        Mean of the scores of the parts.
    std : float
        Standard deviation of the scores of the parts; NaN for one part. Both are returned as a
        named tuple.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    ValueError
        If the classifier has no `predict_proba`, if this does not return class probabilities, or if
        `n_splits` is not between 1 and the number of rows.

    See Also
    --------
    skvae.metrics.frechet_distance : Compares samples with real rows, and detects missing variety
        within a class.

    Notes
    -----
    ``exp(E_x KL(p(y|x) || p(y)))``, section 4 of [1]_, with a classifier of the data at hand in
    place of the Inception network. The score does not involve real rows: a model that repeats one
    perfect row per class has the highest score.

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
            f"predict_proba of {type(classifier).__name__} must return probabilities that sum "
            "to 1 in each row. Pass a classifier with one label per row."
        )
    return probabilities
