"""The Fréchet distance between two sets of rows, in the space of the data or of features."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.utils import check_array

from skvae._scaling import measure


def frechet_distance(X, Y, *, features=None):
    """Return the Fréchet distance between two sets of rows; lower is better.

    It compares means and covariances, and is 0 if both agree. If X holds real rows and Y samples of
    a model, it increases with blur, with noise, and with missing variety.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        The reference, such as real rows held out from training.
    Y : array-like of shape (n_samples_Y, n_features)
        The rows to compare with X, such as draws from `sample`.
    features : transformer, classifier, callable or None, default=None
        The features of the rows to compare. For a fitted transformer, the output of `transform`;
        for a fitted classifier without `transform`, that of `predict_proba`; for a callable, its
        output, (n_samples, n_outputs), such as a hidden layer. None compares the columns
        themselves, centred and scaled by statistics of X, see Notes.

    Returns
    -------
    distance : float
        In squared units of the features; without units if `features` is None.

    Raises
    ------
    NotFittedError
        If `features` is not fitted.
    ValueError
        If X and Y differ in their number of columns, hold NaN or infinity or fewer than two rows,
        or if `features` is none of the above.

    Warns
    -----
    UserWarning
        If X or Y does not have more rows than features. Its covariance is then singular, and the
        distance between samples of equal distributions is far from zero.

    See Also
    --------
    skvae.metrics.inception_score : Scores samples by a classifier, without real rows.

    Notes
    -----
    ``|m_X - m_Y|^2 + Tr(S_X + S_Y - 2 (S_X S_Y)^{1/2})``, the squared Wasserstein distance between
    the normal distributions with the means m and covariances S of the features [1]_; equation 6 of
    [2]_, without its network. The fewer the rows, the larger the distance is: compare only
    distances between equal numbers of rows.

    With ``features=None`` the columns are divided by the scales that ``Gaussian(scaling="auto")``
    measures on X, see :class:`~skvae.likelihoods.Gaussian`: every column of a table by its own
    standard deviation, all pixels of images by one number. This neither drops directions, as
    leading principal components drop noise outside their subspace, nor amplifies them, as
    whitening amplifies pixels that hardly vary. Distances to the same X can be compared. For any
    other scaling pass a transformer: ``PCA(64).fit(X)`` for wide rows, ``FunctionTransformer()``
    for the columns as they are.

    References
    ----------
    .. [1] Dowson & Landau (1982), "The Fréchet Distance between Multivariate Normal
       Distributions".
    .. [2] Heusel et al. (2017), "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
       Nash Equilibrium", equation 6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae.metrics import frechet_distance
    >>> X, y = load_iris(return_X_y=True)
    >>> setosa, versicolor, virginica = (X[y == label] for label in range(3))
    >>> frechet_distance(versicolor, virginica) < frechet_distance(versicolor, setosa)
    True
    """
    X, Y = _features_of(X, Y, features)
    for name, rows in (("X", X), ("Y", Y)):
        if len(rows) <= rows.shape[1]:
            warnings.warn(
                f"{name} has {len(rows)} rows for {rows.shape[1]} features: its covariance is "
                "singular, and the distance is too large. Pass more rows, or fewer features, "
                "for example features=PCA(16).fit(X).",
                UserWarning,
                stacklevel=2,
            )
    return _distance_between_normals(X, Y)


def _distance_between_normals(X: np.ndarray, Y: np.ndarray) -> float:
    """Return the distance from factors S = R^T R, without covariances or matrix square roots.

    The trace of the root of S_X S_Y is the sum of the singular values of R_X R_Y^T, which is real
    for any rank, and exact for equal sets of rows.
    """
    shift = X.mean(axis=0) - Y.mean(axis=0)
    R_X, R_Y = _covariance_factor(X), _covariance_factor(Y)
    overlap = np.linalg.svd(R_X @ R_Y.T, compute_uv=False).sum()
    distance = shift @ shift + np.square(R_X).sum() + np.square(R_Y).sum() - 2 * overlap
    return max(float(distance), 0.0)  # rounding can give a negative number


def _covariance_factor(X: np.ndarray) -> np.ndarray:
    """Return R with R^T R = covariance of the rows, (min(n_samples, n_features), n_features)."""
    return np.linalg.qr(X - X.mean(axis=0), mode="r") / np.sqrt(len(X) - 1)


def _features_of(X, Y, features) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of both sets as float64 arrays of equal width."""
    compute = _feature_function(features)
    X = check_array(compute(X), dtype=np.float64, ensure_min_samples=2, input_name="X")
    Y = check_array(compute(Y), dtype=np.float64, ensure_min_samples=2, input_name="Y")
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but Y has {Y.shape[1]}. Pass rows with the same columns."
        )
    if features is None:
        scaling = measure(X, "auto")
        X, Y = ((rows - scaling.loc) / scaling.scale for rows in (X, Y))
    return X, Y


def _feature_function(features):
    """Return the function that computes features of rows."""
    if features is None:
        return lambda rows: rows
    for method in ("transform", "predict_proba"):
        if hasattr(features, method):
            return getattr(features, method)
    if callable(features):
        return features
    raise ValueError(
        "'features' must be a fitted transformer, a fitted classifier with 'predict_proba', a "
        f"callable or None, got {features!r}."
    )
