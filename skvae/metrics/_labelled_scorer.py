"""A scorer for rows of which some have no label."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import get_scorer

from skvae._rows.labels import is_unlabeled, known_labels, label_values
from skvae._validation import _safe_indexing


def labelled_scorer(scoring="accuracy", *, unlabeled=-1):
    """Return a scorer that leaves out rows without a label.

    For :class:`~sklearn.model_selection.GridSearchCV`, `cross_val_score` and the like, with any
    metric and any semi-supervised classifier, on labels of which some are unknown. The splitters of
    scikit-learn need no counterpart: they take rows without a label for a class of their own, so
    that stratified folds have equal shares of every class and of rows without one.

    Parameters
    ----------
    scoring : str or callable, default="accuracy"
        Name of a metric, see :func:`sklearn.metrics.get_scorer_names`, or a scorer
        ``scoring(estimator, X, y)``.
    unlabeled : float, str or None, default=-1
        The label of rows whose class is not known, unless it is one of the estimator's `classes_`;
        None, NaN and pandas' NA are unknown anyway.

    Returns
    -------
    scorer : callable
        Takes a fitted estimator, X and y, and returns the score of the rows with a label, or NaN
        if there are none.

    Raises
    ------
    ValueError
        If there is no metric of this name.

    See Also
    --------
    skvae.VAEClassifier.score : Accuracy, without such rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skvae import VAEClassifier
    >>> from skvae.metrics import labelled_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> y[::3] = -1  # unknown
    >>> search = GridSearchCV(
    ...     VAEClassifier(max_epochs=10, random_state=0),
    ...     {"n_components": [1, 2]},
    ...     scoring=labelled_scorer("neg_log_loss"),
    ...     cv=2,
    ... )
    >>> bool(search.fit(X, y).best_score_ < 0)
    True
    """
    return _LabelledScorer(get_scorer(scoring), unlabeled)


class _LabelledScorer:
    """A scorer that calls another on the rows with a label; a class, so that it can be pickled."""

    def __init__(self, scorer, unlabeled):
        self.scorer = scorer
        self.unlabeled = unlabeled

    def __call__(self, estimator, X, y, **params):
        values = label_values(y)
        known = ~is_unlabeled(values, self.unlabeled, estimator.classes_)
        if not known.any():
            return np.nan
        labels = known_labels(values, known)
        return self.scorer(estimator, _safe_indexing(X, known), labels, **params)

    def __repr__(self):
        return f"labelled_scorer({self.scorer!r}, unlabeled={self.unlabeled!r})"
