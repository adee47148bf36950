"""Quality of a synthetic table beside the real one: columns, pairs, whole rows, use and copies."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np

from skvae._random import draw_seed
from skvae.metrics._coded_tables import CodedTables, read_tables
from skvae.metrics._column_agreement import column_shapes, pair_trends
from skvae.metrics._models_of_tables import prediction_score, two_sample_score
from skvae.metrics._nearest_rows import nearer_share


@dataclass(frozen=True)
class TableQuality:
    """Result of `table_quality`, whose docstring describes the attributes."""

    shape: float
    trend: float | None
    c2st: float
    tstr: float | None
    trtr: float | None
    dcr_share: float | None
    column_shapes: dict[str, float]
    pair_trends: dict[tuple[str, str], float]

    def __repr__(self) -> str:
        scores = {field.name: getattr(self, field.name) for field in fields(self)}
        shown = [f"{name}={x:.3f}" for name, x in scores.items() if isinstance(x, float)]
        return f"{type(self).__name__}({', '.join(shown)})"


def table_quality(real, synthetic, *, target=None, holdout=None, random_state=None):
    """Measure how well a synthetic table stands in for the real one.

    Each score looks at more than the one before it: single columns, pairs of columns, whole rows,
    the use of the table for a prediction, and whether rows were copied.

    Parameters
    ----------
    real : array-like of shape (n_real, n_features)
        Real rows, usually those that the model was trained on: a data frame of any columns, or an
        array of numbers. NaN is a missing value.
    synthetic : array-like of shape (n_synthetic, n_features)
        Rows of the model, with the columns of `real`.
    target : str or int, default=None
        Name or index of the column to predict for `tstr` and `trtr`, which need `holdout` too. The
        columns of an array are called "x0", "x1", ….
    holdout : array-like of shape (n_holdout, n_features), default=None
        Real rows that the model was not trained on, for `tstr`, `trtr` and `dcr_share`.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of folds and subsamples.

    Returns
    -------
    quality : TableQuality
        A record with the attributes below. What was not asked for is None.

        shape : float
            Mean of `column_shapes`, from 0 to 1 (equal).
        trend : float or None
            Mean of `pair_trends`, from 0 to 1 (equal); None if there is a single column.
        c2st : float
            Classifier two-sample test, from 0 (real and synthetic rows can be told apart) to 1
            (they cannot).
        tstr : float or None
            Score on `holdout` of a model that was trained on the synthetic rows to predict
            `target`: the area under the ROC curve for two classes, the mean area of each class
            against the others for more, and R² for numbers.
        trtr : float or None
            The same, trained on the real rows: what `tstr` can reach.
        dcr_share : float or None
            Share of synthetic rows that are nearer to a row of `real` than to any of `holdout`,
            ideally 0.5. More than 0.55 means that rows were memorised.
        column_shapes : dict of str to float
            Agreement of each column.
        pair_trends : dict of (str, str) to float
            Agreement of each pair of columns.

    Raises
    ------
    ValueError
        If the columns of the tables differ, a table has fewer than three rows, `target` is not a
        column, or its known values are too few to train on or to test.

    See Also
    --------
    skvae.plotting.TableQualityDisplay : Shows columns and associations side by side.
    skvae.metrics.frechet_distance : Compares means and covariances, as for images.

    Notes
    -----
    **Shape** and **trend** follow Column Shapes and Column Pair Trends of SDMetrics [1]_. The shape
    of a column of levels is one minus the total variation distance between the shares of the
    levels; that of a column of numbers or dates is one minus the Kolmogorov-Smirnov statistic.
    Missing values are left out. The trend of two columns of numbers is ``1 - |r - s| / 2``, where r
    and s are Pearson's correlations in the two tables over the rows that are complete in both
    columns; a correlation with a constant counts as 0. The trend of any other pair is one minus the
    total variation distance between the contingency tables, in which numbers are binned into ten
    equal parts of their real range, and missing values are a level of their own. All pairs count,
    as in published figures; recent versions of SDMetrics leave out pairs with weak associations.

    **C2ST** is ``2 - 2 max(AUC, 1/2)`` for the mean area under the ROC curve, over three folds, of
    a gradient boosting classifier that is trained to tell synthetic rows from real ones [2]_.
    It does not see copies: repeated real rows, or repeated rare values, raise the score. Read it
    beside `dcr_share`, or pass held-out rows as `real`.

    **TSTR** and **TRTR**, "train on synthetic (or real), test on real" [3]_, use the same kind of
    model. The target is one of classes if its column is of levels, or its real values are two
    numbers. Rows with a missing target are left out.

    **DCR share** compares distances to the closest record. The distance between two rows is the sum
    of the differences between numbers, as ranks from 0 to 1 among the real rows, and the number of
    levels that differ; a missing value is farther from each number than any two numbers are from
    each other. Ties count half. Both references have as many rows, so that copies of real rows that
    are left out remain unseen: their share approaches 1 only if `holdout` is as large as `real`.

    The models are scikit-learn's ``HistGradientBoosting`` with its default settings and 100
    iterations, which takes missing values as they are. For a bounded cost they are trained on at
    most 50,000 rows of each table, and distances are those of 5,000 synthetic rows from 20,000 rows
    of each reference, all drawn at random.

    References
    ----------
    .. [1] DataCebo, "SDMetrics: Quality Report", https://docs.sdv.dev/sdmetrics.
    .. [2] Lopez-Paz & Oquab (2017), "Revisiting Classifier Two-Sample Tests".
    .. [3] Esteban et al. (2017), "Real-valued (Medical) Time Series Generation with Recurrent
       Conditional GANs".

    Examples
    --------
    Columns that are shuffled one by one keep their distributions and lose their relations.

    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae.metrics import table_quality
    >>> X = load_iris().data
    >>> rng = np.random.default_rng(0)
    >>> shuffled = np.column_stack([rng.permutation(column) for column in X.T])
    >>> quality = table_quality(X, shuffled, random_state=0)
    >>> quality
    TableQuality(shape=1.000, trend=0.684, c2st=0.199)
    >>> round(quality.pair_trends["x2", "x3"], 2)
    0.47
    """
    tables = read_tables(real, synthetic, holdout)
    seed = draw_seed(random_state)
    shapes, trends = _by_column(tables), _by_pair(tables)
    tstr, trtr = _predictions(tables, target, seed)
    return TableQuality(
        shape=float(np.mean(list(shapes.values()))),
        trend=float(np.mean(list(trends.values()))) if trends else None,
        c2st=two_sample_score(tables.real, tables.synthetic, tables.is_level, seed),
        tstr=tstr,
        trtr=trtr,
        dcr_share=_share_of_copies(tables, seed),
        column_shapes=shapes,
        pair_trends=trends,
    )


def _by_column(tables: CodedTables) -> dict[str, float]:
    shapes = column_shapes(tables.real, tables.synthetic, tables.is_level)
    return dict(zip(tables.names, shapes.tolist(), strict=True))


def _by_pair(tables: CodedTables) -> dict[tuple[str, str], float]:
    trends = pair_trends(tables.real, tables.synthetic, tables.is_level)
    return {
        (tables.names[i], tables.names[j]): float(trends[i, j])
        for i, j in combinations(range(len(trends)), 2)
    }


def _predictions(tables: CodedTables, target: Any, seed: int) -> tuple[float | None, float | None]:
    """Return the scores on held-out rows of models trained on synthetic and on real rows."""
    if target is None:
        return None, None
    column = tables.column(target)
    if tables.holdout is None:
        return None, None
    of_classes = _check_target(tables, column)
    tstr, trtr = (
        prediction_score(train, tables.holdout, tables.is_level, column, of_classes, seed)
        for train in (tables.synthetic, tables.real)
    )
    return tstr, trtr


def _check_target(tables: CodedTables, column: int) -> bool:
    """Return whether the target is one of classes; refuse one that cannot be learned or tested."""
    name = tables.names[column]
    if len(tables.names) == 1:
        raise ValueError(f"{name!r} is the only column: there is none to predict it from.")
    for table, fewest in (("real", 2), ("synthetic", 1), ("holdout", 2)):
        n_values = _n_distinct(getattr(tables, table)[:, column])
        if n_values < fewest:
            raise ValueError(
                f"The target {name!r} has {n_values} distinct values in {table!r}, and at least "
                f"{fewest} are required. Pass more rows, or another target."
            )
    return bool(tables.is_level[column]) or _n_distinct(tables.real[:, column]) == 2


def _n_distinct(values: np.ndarray) -> int:
    return len(np.unique(values[~np.isnan(values)]))


def _share_of_copies(tables: CodedTables, seed: int) -> float | None:
    if tables.holdout is None:
        return None
    rng = np.random.default_rng(seed)
    return nearer_share(tables.real, tables.holdout, tables.synthetic, tables.is_level, rng)
