"""The estimator at the end of a pipeline, and rows as its earlier steps pass them on."""

from __future__ import annotations

from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from skvae._base import BaseVAE
from skvae._rows.arrays import is_frame
from skvae._validation import check_is_fitted
from skvae.plotting._drawn_tables import names_in


class Rows(NamedTuple):
    """Rows behind the earlier steps of a pipeline."""

    given: Any  # to the estimator
    shown: Any  # by a display: with the index of a pandas frame
    names: list[Any] | None  # of the columns, if they can be traced


class Opened:
    """A fitted estimator, alone or at the end of a pipeline.

    Parameters
    ----------
    estimator : estimator or Pipeline

    Attributes
    ----------
    estimator : estimator
        The estimator itself.

    Raises
    ------
    ValueError
        If the pipeline ends in something else than an estimator of this package.
    """

    def __init__(self, estimator: Any):
        steps: list[Any] = []
        while isinstance(estimator, Pipeline):
            *before, (_, estimator) = estimator.steps
            steps += [step for _, step in before]
            _refuse_other(estimator)
        self.estimator = estimator
        self._before = Pipeline([(f"{i}", step) for i, step in enumerate(steps)]) if steps else None

    def rows(self, X: Any = None) -> Rows:
        """Return rows as the earlier steps transform them; None if there are none.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self.estimator)
        if X is None or self._before is None:
            return Rows(X, self.named(X), self._names(X))
        rows, names = self._before.transform(X), self._names(X)
        if isinstance(rows, np.ndarray) and nw.dependencies.is_pandas_dataframe(X):
            pandas = nw.dependencies.get_pandas()
            numbered = [f"x{column}" for column in range(rows.shape[1])]  # as scikit-learn does
            return Rows(rows, pandas.DataFrame(rows, X.index, numbered), names)
        return Rows(rows, self.named(rows), names)

    def _names(self, X: Any) -> list[Any] | None:
        if self._before is None:
            names = getattr(self.estimator, "feature_names_in_", None)
            return names_in(X) or names
        try:
            return list(self._before.get_feature_names_out())
        except (AttributeError, ValueError, NotFittedError):
            names = names_in(X)
            return names if names and len(names) == self.estimator.n_features_in_ else None

    def named(self, X: Any) -> Any:
        """Return rows with text in the place of numbers that the model takes for levels."""
        kinds = self.estimator.module_.likelihood.spec.kinds if is_frame(X) else None
        if not kinds:
            return X
        frame = nw.from_native(X, eager_only=True)
        codes = [
            column.name
            for column in frame.iter_columns()
            if kinds.get(column.name) == "level" and column.dtype.is_numeric()
        ]
        return frame.with_columns(nw.col(codes).cast(nw.String)).to_native() if codes else X


def _refuse_other(estimator: Any) -> None:
    if not isinstance(estimator, BaseVAE | Pipeline):
        raise ValueError(
            f"The pipeline ends in {estimator!r}. Pass a pipeline that ends in a VAETransformer, a "
            "VAEAnomalyDetector or a VAEImputer, or such an estimator."
        )
