"""What can be asked of a fitted detector, and what it learns beside the model."""

from __future__ import annotations

import numpy as np
from sklearn.base import OutlierMixin

from skvae._files.values import under
from skvae._model.inference import SCORES
from skvae._validation import InvalidParameterError
from skvae.scores._conformal import checked_calibration, p_values, set_aside, threshold
from skvae.scores._contributions import explain
from skvae.scores._fitted_score import FittedScore
from skvae.scores._model_score import ModelScore
from skvae.scores._registry import resolve_score

_FALSE_ALARMS = 0.1  # share of the normal rows, under contamination="auto"
_TENSORS = "score."  # in a file, before the names of what the score has learned


class DetectionMixin(OutlierMixin):
    """Scores rows, and judges, calibrates and explains the scores."""

    _fitted_scalars = ("offset_",)

    def score_samples(self, X):
        """Return the anomaly score of every row; higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            What `anomaly_score` named when the detector was fitted, in its unit.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        return self._scores(self._check_rows(X))

    def decision_function(self, X):
        """Return the score above the threshold: negative for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            ``score_samples(X) - offset_``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell inliers from outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for inliers, -1 for outliers.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def p_values(self, X):
        """Return the probability that a normal row would score no better, by calibration.

        Who calls a row an outlier where its p-value is at most 0.05 raises a false alarm for at
        most 5 % of the normal rows, whatever the score and however well the model fits [1]_.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        p_values : ndarray of shape (n_samples,), float64
            ``(1 + #{calibration scores <= score}) / (n + 1)`` with n calibration scores, so never
            less than ``1 / (n + 1)``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it was fitted with ``calibration_fraction=None``.

        Notes
        -----
        The guarantee is on average over the rows that were set aside, and needs these and the
        normal rows to come to be of one distribution, as rows drawn alike are.

        References
        ----------
        .. [1] Bates et al. (2023), "Testing for Outliers with Conformal p-values", equation 3.
        """
        scores = self.score_samples(X)
        if self.calibration_scores_ is None:
            raise ValueError(
                "p_values needs rows that were set aside to calibrate it, but this detector was "
                "fitted with calibration_fraction=None. Fit it with calibration_fraction=0.2, say."
            )
        return p_values(scores, self.calibration_scores_)

    def explain(self, X):
        """Return by how much each feature lowers a row's score.

        That is by how much the score would rise if the feature had the value that the model expects
        of it, given the others. A feature that fits in has hardly any part in it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data, a few: each costs as much time as scoring
            `n_features` rows. Memory does not grow with them.

        Returns
        -------
        contributions : ndarray of shape (n_samples, n_features), float64
            In the unit of the score. They do not add up to it: features that are unusual together
            excuse or accuse one another.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.

        Notes
        -----
        The expected value is found without the feature's own: starting from ``E[p(x|z=0)]``, it is
        encoded with the other features of the row and decoded, four times [1]_. In a linear
        Gaussian model this converges to the conditional mean.

        References
        ----------
        .. [1] Rezende et al. (2014), "Stochastic Backpropagation and Approximate Inference in Deep
           Generative Models", appendix F, with means in place of draws.
        """
        X = self._check_rows(X)
        return explain(self.anomaly_score_, self.module_, X, self.n_importance_samples)

    def _scores(self, X) -> np.ndarray:
        return self.anomaly_score_(self.module_, X, self.n_importance_samples)

    def _train(self, X, *how) -> None:
        score = resolve_score(self.anomaly_score)  # before training, which would be in vain
        X, held_out = self._set_aside(X)
        super()._train(X, *how)
        self.anomaly_score_ = FittedScore.learn(score, self.module_, X, self.n_importance_samples)
        self._judge(X, held_out)

    def _set_aside(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows to train on, and those to calibrate by: none without a fraction."""
        if self.calibration_fraction is not None:
            return set_aside(X, self.calibration_fraction)
        if self.contamination == "auto":
            raise InvalidParameterError(
                "contamination='auto' sets the threshold by rows that the model never saw, and "
                "calibration_fraction=None sets none aside. Set calibration_fraction=0.2, say, or "
                "a share of the training rows as 'contamination'."
            )
        return X, X[:0]

    def _judge(self, X, held_out) -> None:
        """Keep the scores of the rows set aside, sorted, and set the threshold."""
        calibration_scores = np.sort(self._scores(held_out)) if len(held_out) else None
        self.calibration_scores_ = calibration_scores
        if self.contamination == "auto":
            self.offset_ = threshold(calibration_scores, _FALSE_ALARMS)
            return
        scores = self._scores(X)
        if calibration_scores is not None:
            scores = np.concatenate([scores, calibration_scores])
        self.offset_ = float(np.percentile(scores, 100 * self.contamination))

    def _describe_score(self, encoder) -> dict:
        score = self.anomaly_score_
        encoder.tensors |= {_TENSORS + name: tensor for name, tensor in score.tensors.items()}
        return {
            "score": encoder.encode(score.spec, "fitted score"),
            "calibration": encoder.encode(self.calibration_scores_, "calibration scores"),
        }

    def _adopt_score(self, header, decoder) -> None:
        # a file of an earlier version names one of the scores that learn nothing
        spec = decoder.decode(header["score"]) if "score" in header else self.anomaly_score
        tensors, parts = under(_TENSORS, decoder.tensors), self.module_.parts
        self.anomaly_score_ = FittedScore.restore(resolve_score(spec), tensors, parts)
        self.calibration_scores_ = checked_calibration(decoder.decode(header.get("calibration")))

    def _exported_score(self) -> str:
        score = self.anomaly_score_.spec
        if type(score) is not ModelScore:
            raise ValueError(
                f"part='score' cannot be exported for anomaly_score={score!r}: a graph holds "
                f"{', '.join(SCORES)} alone. Export the parts 'encoder' and 'decoder', or fit with "
                "one of these scores."
            )
        return score.quantity
