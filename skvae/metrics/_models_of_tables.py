"""Classifiers and regressors trained on tables: of real against synthetic rows, or of a column.

All are scikit-learn's histogram gradient boosting, which takes codes of levels and missing values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

N_FOLDS = 3
MOST_TRAINED_ON = 50_000  # rows of each table


def two_sample_score(
    real: np.ndarray, synthetic: np.ndarray, is_level: np.ndarray, seed: int
) -> float:
    """Return ``2 - 2 max(AUC, 1/2)`` of a classifier of real and synthetic rows, by three folds."""
    rng = np.random.default_rng(seed)
    tables = [random_rows(X, MOST_TRAINED_ON, rng) for X in (real, synthetic)]
    X, y = np.concatenate(tables), np.repeat([0.0, 1.0], [len(X) for X in tables])
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(X, y)
    areas = [
        _mean_area(y[test], _probabilities(X[train], y[train], X[test], is_level, seed))
        for train, test in folds
    ]
    return 2 - 2 * max(float(np.mean(areas)), 0.5)


def prediction_score(
    train: np.ndarray,
    test: np.ndarray,
    is_level: np.ndarray,
    target: int,
    of_classes: bool,
    seed: int,
) -> float:
    """Return the AUC or R² on one table of a model that was trained on another.

    Rows in which the target is missing are left out.
    """
    train, test = (X[~np.isnan(X[:, target])] for X in (train, test))
    train = random_rows(train, MOST_TRAINED_ON, np.random.default_rng(seed))
    (X, y), (X_test, y_test) = ((np.delete(T, target, axis=1), T[:, target]) for T in (train, test))
    is_level = np.delete(is_level, target)
    if of_classes:
        return _mean_area(y_test, _probabilities(X, y, X_test, is_level, seed))
    X, X_test = _without_empty_columns(X, X_test)
    model = HistGradientBoostingRegressor(**_settings(is_level, seed)).fit(X, y)
    return float(r2_score(y_test, model.predict(X_test)))


def random_rows(X: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most that many rows, drawn without replacement."""
    return X if len(X) <= most else X[rng.choice(len(X), most, replace=False)]


def _probabilities(X, y, X_test, is_level, seed) -> dict[float, np.ndarray]:
    """Return the probability of each class that occurs in training."""
    classes = np.unique(y)
    if len(classes) == 1:
        return {classes[0]: np.ones(len(X_test))}
    X, X_test = _without_empty_columns(X, X_test)
    model = HistGradientBoostingClassifier(**_settings(is_level, seed)).fit(X, y)
    return dict(zip(classes, model.predict_proba(X_test).T, strict=True))


def _settings(is_level: np.ndarray, seed: int) -> dict[str, Any]:
    return {"categorical_features": is_level, "early_stopping": False, "random_state": seed}


def _without_empty_columns(X: np.ndarray, X_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make columns constant that have no value in training, which scikit-learn 1.9 cannot bin."""
    empty = np.isnan(X).all(axis=0)
    return np.where(empty, 0.0, X), np.where(empty, 0.0, X_test)


def _mean_area(y: np.ndarray, probabilities: dict[float, np.ndarray]) -> float:
    """Return the mean AUC of each class against the others; of two classes, both are the same.

    A class that has no probability, as it does not occur in training, has an AUC of 1/2.
    """
    none = np.zeros(len(y))
    areas = [roc_auc_score(y == label, probabilities.get(label, none)) for label in np.unique(y)]
    return float(np.mean(areas))
