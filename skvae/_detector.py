"""The outlier detector: a VAE used as an isolation forest is used."""

# Over 500 lines: one estimator whole, of whose lines more than half are docstrings.

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from torch import Tensor

from skvae._base import BaseVAE, EmbeddingMixin, reads
from skvae._model import inference
from skvae._model.module import Sizes, VAEModule
from skvae._parts import Score
from skvae._rows.arrays import evenly_spaced, is_frame
from skvae._rows.batches import TrainingRows, taken
from skvae._rows.source import Source
from skvae._specs import SHORT_NAMES, resolve
from skvae._validation import Interval, StrOptions, _fit_context
from skvae.scores._contributions import explain, explanation_frame

# Score per value that the likelihood does not accept: finite, for metrics that refuse infinities.
IMPOSSIBLE = -1e30
_SPLIT_SEED = 0  # the same rows at every fit: a fit that continues must not train on them
_MOST_RANKED = 20_000  # training rows by which the threshold is set
_USUAL_ROWS, _USUAL_CELLS = (20, 200), 2000  # of training rows, for the usual contributions
_TIE = 1e-5  # of the interquartile range: scores that differ by less can be equal but for rounding


class VAEAnomalyDetector(OutlierMixin, EmbeddingMixin, BaseVAE):
    """Outlier detection by a variational autoencoder.

    Learns the distribution of the training rows and labels the least normal rows as outliers.
    Missing values (NaN) are accepted everywhere: a row is judged by its observed values. Scores
    that measure distances see the values that the model expects in place of the missing ones. Rows
    may be a sparse matrix, or on disk: a memory map, an array of HDF5 or Zarr, or a Parquet file.

    Parameters
    ----------
    n_components : int, default=16
        Number of latent dimensions.
    network : {"auto", "mlp", "conv", "resnet"} or Network, default="auto"
        Encoder and decoder: a short name, or a configured object of :mod:`skvae.networks`. "auto"
        is "mlp". If the training rows are a data frame with text, categories, booleans or dates,
        it is ``MLP(hidden_layer_sizes=(512, 512), activation="silu")``, and "auto" has a meaning
        of its own for the two parameters below as well. These were chosen for the quality of
        draws.
    likelihood : str or Likelihood, default="auto"
        The distribution p(x|z): a short name, or a configured object of :mod:`skvae.likelihoods`.
        "auto" is "gaussian", or "mixed" for a data frame with text, categories, booleans or dates.
        "gaussian" and "student_t" accept any real data,
        "histogram" too, with any distribution, "bernoulli" and "continuous_bernoulli" values in
        [0, 1], "poisson" and "negative_binomial" counts, "categorical" and "discretized_logistic"
        levels 0, 1, 2, ...; "mixed" chooses a distribution for each column, see
        :class:`~skvae.likelihoods.Mixed`.
    prior : {"auto", "normal", "mixture", "vamp", "flow", "ex_post"} or Prior, default="auto"
        The distribution p(z): a short name, or a configured object of :mod:`skvae.priors`.
        "normal" is N(0, I); the others are learned. "auto" is "normal", or
        ``MixturePrior(n_mixtures=1000)`` for such a data frame.
    objective : {"auto", "elbo", "iwae", "beta_tcvae", "info_vae"} or Objective, default="auto"
        The training objective: a short name, or a configured object of :mod:`skvae.objectives`.
        "auto" is "elbo".
    max_epochs : int or "auto", default="auto"
        Passes over the training rows. "auto" fits them to the number of rows n: as many as
        ``max(1000, 20 sqrt(n))`` optimiser steps need, or at most ten times that with
        `early_stopping`.
    batch_size : int or "auto", default="auto"
        Rows per optimiser step. "auto" is 64, or 128 from 10,000 rows up; twice as many for such a
        frame of at least 2,000 rows.
    learning_rate : float, default=1e-3
        Mean learning rate of `fit`, which runs through one cycle [3]_: a warm-up to twice this over
        the first quarter, then half a cosine down to zero. The rate is constant in `partial_fit`
        and with `early_stopping`, whose end is not known beforehand. A
        :class:`skorch.callbacks.LRScheduler` among `callbacks` replaces the cycle.
    optimizer : {"adam", "sgd"} or subclass of torch.optim.Optimizer, default="adam"
        "adam" is Adam with decoupled weight decay [4]_. Gradients with a norm above 1e8, which no
        healthy fit reaches, are scaled down to that norm; for a lower limit see
        :class:`skorch.callbacks.GradientNormClipping`.
    weight_decay : float or "auto", default="auto"
        Decay of the networks' weights, biases excepted. "auto" is ``min(1, 1000 / n)`` for Adam, as
        a fixed prior on the weights counts for less the more rows there are, and 0 for other
        optimisers. "auto" also keeps small tables from being overfitted: if n is small for
        ``n_features * n_components``, part of every training batch are draws of a factor analysis.
        The notes of :class:`~skvae.likelihoods.Gaussian` state the rule.
    early_stopping : bool, default=False
        Whether to set `validation_fraction` of the rows aside, to stop when the validation loss has
        not improved for `n_iter_no_change` epochs, and to return to the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows set aside for `early_stopping`, in (0, 1).
    n_iter_no_change : int, default=10
        Number of epochs without improvement after which `early_stopping` ends the fit.
    n_importance_samples : int, default=16
        Number of draws per row of the importance-weighted bound behind a log-likelihood [2]_. With
        fewer than 16, the bound is averaged over several sets of draws, 16 in all.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products during training. "auto" is bfloat16 if the encoder sees at
        least 256 values per row (features, or the levels and bins of a table's columns) and the
        processor computes it natively, else float32. Losses are always float32; scores and
        embeddings have the precision of the rows, float32 or float64.
    device : str or torch.device, default="auto"
        "auto" is a CUDA GPU if there is one, else the CPU.
    callbacks : list of skorch callbacks or None, default=None
        Called during training, see :mod:`skorch.callbacks`; :class:`~skvae.Autosave` writes
        checkpoints from which an interrupted fit continues. A callback that monitors a validation
        loss, such as skorch's `EarlyStopping`, raises a `ValueError` unless `early_stopping` sets
        rows aside.
    warm_start : bool, default=False
        If True, `fit` continues the previous fit up to `max_epochs` in total, and warns if none
        remain. Network, likelihood, prior, objective, optimizer, weight decay, precision and device
        stay those of the first fit.
    verbose : int, default=0
        1 shows epoch, loss, KL and time on stderr; 0 is silent.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of the rows, and all draws. The global generators are
        neither read nor changed. None takes fresh entropy from the operating system.
    anomaly_score : str or Score, default="novelty_rarity"
        The score that `score_samples` returns, higher for more normal rows: a short name, or a
        configured object of :mod:`skvae.scores`. "novelty_rarity": minus the distance from the
        nearest training row, and minus a measure of how rare such rows are in training, which finds
        outliers among the training rows too, see :class:`~skvae.scores.NoveltyRarity`.
        "residual_neighbors": minus the distance from the five nearest training rows, by the
        standardised values and by the residuals of the reconstruction; "latent_neighbors": minus
        that distance in the latent space.
        "log_likelihood": the importance-weighted log-likelihood [2]_; "elbo": the evidence lower
        bound; "reconstruction": the expected log p(x|z) under q(z|x); "kl": minus the KL divergence
        of q(z|x) from the prior; all of these in nats. "relative_error": minus the squared error of
        the reconstruction divided by the squared norm of the row. "latent_density": the log
        density, in nats, of a Gaussian mixture over the embedded training rows. "typicality": minus
        the distance of the log-likelihood from its mean in training, in nats.
        "likelihood_regret": minus the gain, in nats, from fitting q(z|x) to the row alone.
        "combined": the sum of "relative_error" and "latent_density", each standardised.
    contamination : float, default=0.1
        Share of rows beyond the threshold, in (0, 0.5]: of the training rows or, with
        `calibration_fraction`, of the rows set aside. The model fits its training rows better than
        new ones, so a threshold on training rows can flag a larger share of new normal rows; a
        threshold on rows set aside does not.
    calibration_fraction : float or None, default=None
        Share of the rows, in (0, 1), that `fit` or `partial_fit` sets aside for the threshold and
        for `p_values`. They are the same rows at every call, and neither the model nor the score
        learns from them.

    Attributes
    ----------
    n_components_ : int
        Number of latent dimensions.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has names that are all strings.
    n_iter_ : int
        Number of epochs run.
    n_steps_ : int
        Number of optimiser steps run.
    history_ : dict of str to ndarray of shape (`n_iter_`,)
        `train_loss`, `train_reconstruction` and `train_kl` in nats per row, the same with `valid_`
        if `early_stopping` is True, and `duration` in seconds.
    module_ : torch.nn.Module
        The trained model, in the units of X.
    device_ : str
        The device of the model.
    precision_ : {"float32", "bfloat16"}
        Precision of matrix products during training.
    anomaly_score_ : object
        The score with what it learned from the training rows, or from the last chunk after
        `partial_fit`: `spec`, and `tensors` by name.
    offset_ : float
        Threshold of `score_samples`: the quantile `contamination` of the scores of the training
        rows, or of 20,000 evenly spaced ones if there are more. With `calibration_fraction`, it is
        taken from `calibration_scores_`, so that `predict` returns -1 if and only if the p-value is
        at most `contamination`. If too few rows were set aside for a p-value that small, it is the
        lowest of their scores. It is lowered by the size of rounding errors, so that rows with the
        score of a training row at the threshold are inliers.
    calibration_scores_ : ndarray of shape (n_calibration,) or None
        Scores of the rows set aside, in ascending order; None without `calibration_fraction`.

    See Also
    --------
    VAETransformer : The same model as a transformer.
    sklearn.ensemble.IsolationForest : A detector that looks at one feature at a time.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
    .. [2] Burda et al. (2016), "Importance Weighted Autoencoders", equation 8.
    .. [3] Smith & Topin (2019), "Super-Convergence".
    .. [4] Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(n_components=2, random_state=0).fit(X)
    >>> detector.predict([[5.0, 3.4, 1.5, 0.2], [5.0, 3.4, 1.5, 2.5]])
    array([ 1, -1])
    """

    _takes_sources = True
    _parameter_constraints = {
        **BaseVAE._parameter_constraints,
        "anomaly_score": [StrOptions(set(SHORT_NAMES["anomaly_score"])), Score],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither"), None],
    }

    def __init__(
        self,
        n_components=16,
        *,
        network="auto",
        likelihood="auto",
        prior="auto",
        objective="auto",
        max_epochs="auto",
        batch_size="auto",
        learning_rate=1e-3,
        optimizer="adam",
        weight_decay="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        n_importance_samples=16,
        precision="auto",
        device="auto",
        callbacks=None,
        warm_start=False,
        verbose=0,
        random_state=None,
        anomaly_score="novelty_rarity",
        contamination=0.1,
        calibration_fraction=None,
    ):
        super().__init__(
            n_components,
            network=network,
            likelihood=likelihood,
            prior=prior,
            objective=objective,
            max_epochs=max_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            optimizer=optimizer,
            weight_decay=weight_decay,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            n_importance_samples=n_importance_samples,
            precision=precision,
            device=device,
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
        )
        self.anomaly_score = anomaly_score
        self.contamination = contamination
        self.calibration_fraction = calibration_fraction

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model, the score and the threshold.

        Parameters
        ----------
        X : array-like, sparse matrix or rows on disk, of shape (n_samples, n_features)
            Training rows, at least two, in any units that the likelihood accepts. NaN is a missing
            value; rows without any observed value are left out.
        y : Ignored
            For scikit-learn's pipelines.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row, which counts as so many copies of it; a row of weight zero is
            left out. None is one for every row.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If X is not a two-dimensional array that the likelihood and the network accept, if it
            has infinite values or fewer than two rows with observed values, if weights are
            negative, not finite or not one per row, or if they or `calibration_fraction` leave
            fewer than two rows to train on.
        FloatingPointError
            If the loss becomes NaN or infinite.

        Notes
        -----
        Whole weights give the same bits as copies of the rows. A row of weight 2.5 is seen 2.5
        times per epoch on average. Weights that sum to less than the number of rows with positive
        weight, as probabilities do, are multiplied by a factor so that they sum to it. If they sum
        to more than 100,000, or if all copies would hold more than 100 million values, they are
        divided accordingly, but sum to no less than the number of rows with positive weight.

        As with copies, a row set aside for validation or calibration may have copies among the rows
        to train on.

        In a table of up to a million values, copies included, the order of the rows has no
        influence on the result.
        """
        with self._unchanged_on_failure():
            score = resolve("anomaly_score", self.anomaly_score)
            rows, held_out = self._set_aside(self._check_training_rows(X, sample_weight))
            self._fit_rows(rows)
            self._calibrate(score, rows, held_out)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one pass over these rows, from where the last call or fit ended.

        For data that do not fit in memory. The first call takes the scaling of the features, the
        batch size and the weight decay from its chunk; the learning rate stays constant. The score
        and the threshold are those of the last chunk.

        Parameters
        ----------
        X : array-like, sparse matrix or rows on disk, of shape (n_samples, n_features)
            A chunk of training rows, in which NaN is a missing value. Only if the first chunk has
            missing values does the encoder see where they are.
        y : Ignored
            For scikit-learn's pipelines.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row, which counts as so many copies of it; a row of weight zero is
            left out. None is one for every row.

        Returns
        -------
        self : object
            The detector, trained one epoch further.

        Raises
        ------
        ValueError
            If X is not a two-dimensional array that the likelihood and the network accept, if it
            has infinite values or fewer than two rows with observed values, if weights are
            negative, not finite or not one per row, or if they or `calibration_fraction` leave
            fewer than two rows to train on.
        FloatingPointError
            If the loss becomes NaN or infinite.

        Notes
        -----
        The weights of a chunk are treated as in `fit`. Chunks that differ in their mean weight
        should therefore have weights of at least one per row on average.
        """
        with self._unchanged_on_failure():
            score = resolve("anomaly_score", self.anomaly_score)
            rows, held_out = self._set_aside(self._check_chunk(X, sample_weight))
            self._fit_pass(rows)
            self._calibrate(score, rows, held_out)
        return self

    def score_samples(self, X):
        """Return the anomaly score of every row; higher is more normal.

        Parameters
        ----------
        X : array-like, sparse matrix or rows on disk, of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            The `anomaly_score` with which the detector was fitted, in its unit. A row with values
            that the likelihood does not accept, such as an unseen category, has -1e30 for each of
            them: a finite number below the scores of all training rows.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        return self._scores(self._check_any_rows(X))

    def decision_function(self, X):
        """Return the score above the threshold: negative for outliers.

        Parameters
        ----------
        X : array-like, sparse matrix or rows on disk, of shape (n_samples, n_features)
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
        """Label rows as inliers or outliers.

        Parameters
        ----------
        X : array-like, sparse matrix or rows on disk, of shape (n_samples, n_features)
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

        Flagging rows with p <= 0.05 gives false alarms for at most 5 % of the normal rows, whatever
        the score and however well the model fits [1]_.

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
        The guarantee holds on average over the choice of the rows set aside, and requires that
        these and future normal rows follow the same distribution.

        References
        ----------
        .. [1] Bates et al. (2023), "Testing for Outliers with Conformal p-values", equation 3.
        """
        scores = self.score_samples(X)
        if self.calibration_scores_ is None:
            raise ValueError(
                "p_values requires calibration scores, but this detector was fitted with "
                "calibration_fraction=None. Fit it with calibration_fraction=0.2, for example."
            )
        return _p_values(scores, _below_ties(self.calibration_scores_))

    def explain(self, X):
        """Return by how much each feature lowers the score of a row.

        The contribution of a feature is the rise in the score if the feature had the value that the
        model expects given the other features. An unremarkable feature contributes almost nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A few rows in the units of the training data. Each takes as much time as scoring
            `n_features` rows; memory does not grow with their number.

        Returns
        -------
        contributions : ndarray of shape (n_samples, n_features), float64, or data frame
            In the unit of the score; about 1e30 for a value that the likelihood does not accept,
            and zero for a missing one.
            Contributions do not sum to the score, because features interact. If X and the training
            rows are data frames, a frame of the same library with a row for each cell of X, the
            largest contributions of a row first. Its columns are `row` (counted from 0),
            `feature`, `value`, `expected` (both as text) and `contribution`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.

        Notes
        -----
        The expected value does not depend on the observed one: starting from ``E[p(x|z=0)]``, the
        feature is encoded with the other features of the row and decoded, four times [1]_. In a
        linear Gaussian model this converges to the conditional mean.

        The contributions in a data frame are measured against those of typical rows: the median
        contribution of the feature over 20 to 200 training rows is subtracted.

        The detector at the end of a pipeline takes rows as the earlier steps transform them:
        ``pipeline[-1].explain(pipeline[:-1].transform(X))``. With
        ``pipeline.set_output(transform="pandas")``, which must precede `fit`, the result is a data
        frame. :class:`~skvae.plotting.ExplanationDisplay` takes the pipeline itself.

        References
        ----------
        .. [1] Rezende et al. (2014), "Stochastic Backpropagation and Approximate Inference in Deep
           Generative Models", appendix F, with means in place of draws.
        """
        contributions, expected = self._explained(X)
        if isinstance(expected, np.ndarray):
            return contributions
        return explanation_frame(X, expected, contributions)

    def _explained(self, X) -> tuple[np.ndarray, Any]:
        """Return contributions and expected values, which are a frame if X is one."""
        rows = self._check_any_rows(X)
        rows = rows[:] if isinstance(rows, Source) else rows
        contributions, expected = explain(self._scores, self.module_, rows)
        if self._usual_contributions is None or not is_frame(X):
            return contributions, expected
        return contributions - self._usual_contributions, self._as_given(expected)

    def _reconstruct_any(self, X):
        """Reconstruct rows, also those with values that the likelihood does not accept."""
        rows, support = self._check_any_rows(X), self.module_.likelihood.support
        possible = rows if support is None else support.nearest(rows)
        return self._decoded(inference.encode_mean(self.module_, possible))

    def _scores(self, X) -> np.ndarray:
        """Return the scores, far below all others for values outside the likelihood's support."""
        if isinstance(X, Source):
            return np.concatenate([self._scores(rows) for rows in X.blocks()])
        support = self.module_.likelihood.support
        n_outside = np.zeros(len(X)) if support is None else support.n_outside(X)
        if not n_outside.any():
            return self._scores_of_possible(X)
        scores, possible = IMPOSSIBLE * n_outside, n_outside == 0
        scores[possible] = self._scores_of_possible(X[possible])
        return scores

    def _scores_of_possible(self, X) -> np.ndarray:
        return self.anomaly_score_(self.module_, X, self.n_importance_samples)

    def _set_aside(self, rows: TrainingRows) -> tuple[TrainingRows, np.ndarray]:
        """Return the rows to train on, and those to calibrate by: none without a fraction."""
        fraction, n_rows = self.calibration_fraction, len(rows.X)
        if fraction is None:
            return rows, rows.X[:0]
        n_calibration = max(1, round(fraction * n_rows))
        if n_rows - n_calibration < 2:
            raise ValueError(
                f"calibration_fraction={fraction!r} of {n_rows} rows leaves fewer than two to "
                "train on. Lower it, or set calibration_fraction=None."
            )
        held_out = np.zeros(n_rows, dtype=bool)
        held_out[np.random.default_rng(_SPLIT_SEED).permutation(n_rows)[:n_calibration]] = True
        return rows.take(~held_out), rows.take(held_out).drawn()

    def _calibrate(self, score: Score, rows: TrainingRows, held_out) -> None:
        """Fit the score, and set the threshold by the rows set aside or else the training rows."""
        X = rows.drawn() if reads(score, rows.X) else rows.sample()
        known = inference.build_score(score, self.module_, X, self.n_importance_samples)
        self.anomaly_score_ = FittedScore(score, known)
        if len(held_out):
            self.calibration_scores_ = np.sort(self._scores(held_out))
            threshold = _threshold(_below_ties(self.calibration_scores_), self.contamination)
            self.offset_ = max(threshold, IMPOSSIBLE / 2)  # impossible rows are never inliers
        else:
            self.calibration_scores_ = None
            sample = taken(X, evenly_spaced(len(X), _MOST_RANKED))
            scores = _below_ties(self._scores(sample))
            self.offset_ = float(np.percentile(scores, 100 * self.contamination))
        self._usual_contributions = None if self._schema is None else self._usual(X)

    def _usual(self, X: np.ndarray) -> np.ndarray:
        """Return the median contribution of each feature over some training rows."""
        n_rows = int(np.clip(_USUAL_CELLS // X.shape[1], *_USUAL_ROWS))
        sample = X[evenly_spaced(len(X), n_rows)]
        return np.median(explain(self._scores, self.module_, sample)[0], axis=0)

    def _get_state(self) -> dict[str, Any]:
        return {
            **super()._get_state(),
            "score": self.anomaly_score_.spec,
            "score_tensors": self.anomaly_score_.tensors,
            "calibration_scores": self.calibration_scores_,
            "offset": self.offset_,
            "usual_contributions": self._usual_contributions,
        }

    def _set_state(self, state: dict[str, Any], device: str) -> None:
        super()._set_state(state, device)
        tensors, sizes = state["score_tensors"], self.module_.sizes
        self.anomaly_score_ = FittedScore.restore(state["score"], tensors, sizes)
        self.calibration_scores_ = _checked_calibration(state["calibration_scores"])
        self.offset_ = state["offset"]
        n_features = None if self._schema is None else self.n_features_in_
        self._usual_contributions = _checked_usual(state["usual_contributions"], n_features)


class FittedScore:
    """A score with what it learned from the training rows. Scoring does not change it.

    Parameters
    ----------
    spec : Score
    tensors : dict of str to Tensor
        What its `build` returned. Kept in double precision on the CPU, so that it can be pickled
        there and read on a machine without a GPU.
    """

    def __init__(self, spec: Score, tensors: dict[str, Tensor]):
        self.spec = spec
        self.tensors = {name: tensor.double().cpu() for name, tensor in tensors.items()}

    @classmethod
    def restore(cls, spec: Any, tensors: dict[str, Tensor], model_sizes: Sizes) -> FittedScore:
        """Return what was saved, if it is what the score can have learned.

        Raises
        ------
        ValueError
            If names, shapes, types or values of the tensors cannot be right.
        """
        spec.validate()
        shapes = spec.shapes(model_sizes)
        if shapes.keys() != tensors.keys():
            raise ValueError(f"its score {spec!r} does not fit what it is said to have learned")
        sizes: dict[str, int] = {}
        for name, tensor in tensors.items():
            _check_tensor(name, tensor, shapes[name], sizes)
        return cls(spec, tensors)

    def __call__(self, module: VAEModule, X: np.ndarray, n_samples: int) -> np.ndarray:
        """Return the score of every row, float64."""
        return inference.evaluate(self.spec, module, X, self.tensors, n_samples)


def _below_ties(scores: np.ndarray) -> np.ndarray:
    """Lower scores by more than their rounding, which depends on the batch."""
    low, high = np.percentile(scores, [25, 75]) if len(scores) else (0.0, 0.0)
    return scores - _TIE * (high - low) - 1e-6 * np.abs(scores)


def _p_values(scores: np.ndarray, calibration_scores: np.ndarray) -> np.ndarray:
    """Return ``(1 + #{calibration scores <= score}) / (n + 1)``; the latter are sorted."""
    n_below = np.searchsorted(calibration_scores, scores, side="right")
    return (1 + n_below) / (1 + len(calibration_scores))


def _threshold(calibration_scores: np.ndarray, level: float) -> float:
    """Return the score below which p-values are at most `level`; calibration scores are sorted.

    It is the lowest of them if they are too few for a p-value that small.
    """
    p_values = (1 + np.arange(len(calibration_scores))) / (1 + len(calibration_scores))
    return float(calibration_scores[max(0, np.count_nonzero(p_values <= level) - 1)])


def _checked_calibration(scores: np.ndarray | None) -> np.ndarray | None:
    """Return calibration scores that were read from a file.

    Raises
    ------
    ValueError
        If they are not in ascending order.
    """
    if scores is not None and (np.diff(scores) < 0).any():
        raise ValueError("its calibration scores are not in ascending order")
    return scores


def _checked_usual(contributions: np.ndarray | None, n_features: int | None) -> np.ndarray | None:
    """Return the usual contributions of the columns of a table that were read from a file.

    Raises
    ------
    ValueError
        If they are not as many as the columns, or there is no table.
    """
    n_usual = None if contributions is None else len(contributions)
    if n_usual != n_features:
        raise ValueError(f"it has {n_usual} usual contributions for {n_features} columns")
    return contributions


def _check_tensor(name: str, tensor: Tensor, shape: tuple, sizes: dict[str, int]) -> None:
    """Compare with a shape; a size that goes by a name is the same wherever it stands."""
    found = tuple(tensor.shape)
    named = {key: size for key, size in zip(shape, found, strict=False) if isinstance(key, str)}
    sizes |= named | sizes  # the first to be met counts
    expected = tuple(sizes.get(key, key) for key in shape)
    if found != expected or tensor.numel() == 0:
        raise ValueError(f"its score's {name!r} has shape {found}, but {shape} is expected")
    if not (tensor.is_floating_point() and tensor.isfinite().all()):
        raise ValueError(f"its score's {name!r} holds values that are not finite numbers")
