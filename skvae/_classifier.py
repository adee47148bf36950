"""The classifier: a VAE that learns classes from few labels and many rows without."""

# Over 500 lines: one estimator whole, of whose lines more than half are docstrings.

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length

from skvae._base import BaseVAE, EmbeddingMixin, LikelihoodScoreMixin
from skvae._model import inference
from skvae._model.module import VAEModule, build_module
from skvae._parts import Prior
from skvae._rows.batches import TrainingRows, draw
from skvae._rows.labels import (
    UNKNOWN,
    class_numbers,
    classes_of,
    is_unlabeled,
    known_labels,
    label_values,
)
from skvae._rows.lines import Lines
from skvae._specs import OF_CLASSES, SHORT_NAMES
from skvae._training.net import Settings, VAENet
from skvae._training.semi_supervised import SemiSupervised
from skvae._validation import Interval, StrOptions, _fit_context, check_count, check_is_fitted
from skvae.priors import ClassConditional

_WARMUP = 0.2  # of the epochs
_DECAY = 1000  # divided by the number of labels
_MOST_ROUNDS = 20  # of draws of a class, after which those left are not rejected
_PSEUDO_COUNT = 0.5  # of every class, so that none has a share of zero


@dataclass(frozen=True)
class _LabelledRows(TrainingRows):
    """Training rows with the numbers of their classes, -1 for rows without a label."""

    labels: np.ndarray | None = None


class VAEClassifier(ClassifierMixin, LikelihoodScoreMixin, EmbeddingMixin, BaseVAE):
    """Semi-supervised classification by a variational autoencoder.

    Learns from a few rows with labels and many without: a classifier q(y|x), and a model of the
    rows in which every class has a distribution of latent vectors of its own. It predicts classes,
    draws rows of a class, and tells by `score_samples` if a row is like none of them. Missing
    values (NaN) are accepted everywhere.

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
    prior : {"auto", "mixture", "vamp", "flow"} or Prior, default="auto"
        The distribution p(z|y) of each class, which is learned: a short name, or a configured
        object of :mod:`skvae.priors`. "auto" is ``MixturePrior(n_mixtures=10)``.
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
        optimisers. That of the classifier is ``min(1, 1000 / m)`` with m labels. "auto" also keeps
        small tables from being overfitted: if n is small for ``n_features * n_components``, part of
        every training batch are draws of a factor analysis. The notes of
        :class:`~skvae.likelihoods.Gaussian` state the rule.
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
    unlabeled : float, str or None, default=-1
        The label of rows whose class is not known; None, NaN and pandas' NA are unknown anyway. It
        stands for unknown labels only if at least two other classes remain, as the classes of a
        table may be -1 and 1.
    consistency : float, default=1.0
        Weight of the terms by which rows without labels guide the classifier, see Notes. With 0 it
        learns from rows with labels alone.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
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

    See Also
    --------
    VAETransformer : The same model without classes.
    skvae.metrics.labelled_scorer : Scores that leave out rows without labels.
    sklearn.semi_supervised.SelfTrainingClassifier : Trains a classifier on its own predictions.

    Notes
    -----
    The model is ``p(y) p(z|y) p(x|z)``, with shares of the classes p(y) and distributions p(z|y)
    that are learned, and the approximate posterior ``q(y|x) q(z|x)``. For a row without a label the
    classes are summed out exactly: the bound on log p(x) of `objective` has the prior ``sum_y p(y)
    p(z|y)``, and the divergence KL(q(y|x) || p(y|z)) is subtracted from it, which is the bound of
    Kingma et al. (2014) [5]_ with classes in the prior instead of the decoder.

    The classifier q(y|x), a network like the encoder, minimises its cross-entropy on the rows with
    labels and `consistency` times four terms of all rows: its divergence under the change of a row,
    of limited length, that changes the prediction most (virtual adversarial training [6]_); its
    divergence under changes that the network knows to be harmless, such as small shifts and turns
    of images, see :meth:`skvae.networks.Network.augment`; 0.1 times its entropy [7]_, or 0.3 times
    with such a network; and the divergence of the mean prediction from the shares of the labels, so
    that rows with labels are taken for a random sample of all rows. All but the last grow from zero
    over the first fifth of the epochs. Adversarial changes are 0.1 times as long as the rows are
    far from their mean (root mean square), or 0.2 times with such a network.

    `sample` draws z from p(z|y) and accepts it with the probability q(y|x) of the decoded row, so
    that draws near the border between two classes are of the right one.

    With `early_stopping`, rows count in the validation loss without their labels.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
    .. [2] Burda et al. (2016), "Importance Weighted Autoencoders", equation 8.
    .. [3] Smith & Topin (2019), "Super-Convergence".
    .. [4] Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization".
    .. [5] Kingma et al. (2014), "Semi-Supervised Learning with Deep Generative Models", equation 7.
    .. [6] Miyato et al. (2018), "Virtual Adversarial Training: A Regularization Method for
       Supervised and Semi-Supervised Learning".
    .. [7] Grandvalet & Bengio (2005), "Semi-Supervised Learning by Entropy Minimization".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> partly = np.full(150, -1)
    >>> partly[::15] = y[::15]  # ten labels
    >>> classifier = VAEClassifier(n_components=2, random_state=0).fit(X, partly)
    >>> classifier.predict(X[[0, 75, 149]])
    array([0, 1, 2])
    >>> classifier.sample(2, y=0, random_state=0).shape
    (2, 4)
    """

    _parameter_constraints = {
        **BaseVAE._parameter_constraints,
        "prior": [StrOptions(set(SHORT_NAMES["prior"])), Prior],
        "unlabeled": [Real, str, None],
        "consistency": [Interval(Real, 0, None, closed="left")],
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
        unlabeled=-1,
        consistency=1.0,
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
        self.unlabeled = unlabeled
        self.consistency = consistency

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Fit the model and the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, with and without labels, in any units that the likelihood accepts. NaN is
            a missing value; rows without any observed value are left out.
        y : array-like of shape (n_samples,)
            Classes: numbers or text, and `unlabeled`, None or NaN if a class is not known.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row, which counts as so many copies of it; a row of weight zero is
            left out. None is one for every row.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            If X is not a two-dimensional array that the likelihood and the network accept, if it
            has infinite values or fewer than two rows with observed values, if y has not one label
            per row or fewer than two classes, if weights are negative, not finite, not one per row,
            or leave fewer than two rows, if the prior cannot tell classes apart, or if `warm_start`
            is to continue with other classes.
        FloatingPointError
            If the loss becomes NaN or infinite.

        Notes
        -----
        Whole weights give the same bits as copies of the rows; see :meth:`VAETransformer.fit`.
        """
        with self._unchanged_on_failure():
            values = label_values(y)
            rows = self._check_training_rows(X, sample_weight)
            check_consistent_length(X, values)
            self._fit_rows(self._labelled(rows, values, self._goes_on()))
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one pass over these rows, from where the last call or fit ended.

        For data that do not fit in memory. The first call takes the scaling of the features, the
        batch size and the weight decay from its chunk; the learning rate stays constant.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A chunk of training rows, in which NaN is a missing value. Only if the first chunk has
            missing values does the encoder see where they are.
        y : array-like of shape (n_samples,)
            Classes, as in `fit`. Chunks after the first need no labels at all.
        classes : array-like of shape (n_classes,) or None, default=None
            The classes of all chunks, for the first call; None takes those of its chunk.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row, which counts as so many copies of it; a row of weight zero is
            left out. None is one for every row.

        Returns
        -------
        self : object
            The classifier, trained one epoch further.

        Raises
        ------
        ValueError
            As in `fit`, or if a label is none of the classes.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        with self._unchanged_on_failure():
            values, first = label_values(y), not hasattr(self, "module_")
            if first and classes is not None:
                self.classes_ = classes_of(label_values(classes))
            rows = self._check_chunk(X, sample_weight)
            check_consistent_length(X, values)
            self._fit_pass(self._labelled(rows, values, not first or classes is not None))
        return self

    def predict(self, X):
        """Return the most probable class of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Elements of `classes_`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        numbers = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[numbers]

    def predict_proba(self, X):
        """Return the probability of every class, q(y|x).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. Of a row without observed values, the shares of the classes.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Return the logarithm of the probability of every class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        X = self._check_rows(X)
        return inference.classify(self.module_, X)

    def score(self, X, y, sample_weight=None):
        """Return the accuracy on the rows whose class is known.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : array-like of shape (n_samples,)
            Their classes. Rows without a label do not count, so that searches such as
            :class:`~sklearn.model_selection.GridSearchCV` take partly labelled rows.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            Share of correct predictions.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If no row has a label.
        """
        values = label_values(y)
        predicted = self.predict(X)
        known = ~is_unlabeled(values, self.unlabeled, self.classes_)
        if not known.any():
            raise ValueError(
                f"None of the {len(values)} rows has a label, so that there is no accuracy. Pass "
                "rows with labels."
            )
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        labels = known_labels(values, known)
        return accuracy_score(labels, predicted[known], sample_weight=weights)

    def sample(
        self,
        n_samples=1,
        *,
        y=None,
        random_state=None,
        mean=False,
        given=None,
        missing=False,
    ):
        """Draw new rows from the model, of all classes or of one.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        y : object or array-like of shape (n_samples,), default=None
            The class of all rows, or one for each. None draws classes by their shares.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None gives different draws at every call.
        mean : bool, default=False
            False draws z from the prior and x from p(x|z), so that the rows are distributed as the
            model says and as `score_samples` scores them. True returns the mean of p(x|z) instead
            of a draw from it: rows without noise, as for pictures.
        given : dict or None, default=None
            Values of some columns by name, or by position if the training rows had no names. Rows
            are then drawn from the model given these values, see :meth:`VAETransformer.sample`.
        missing : bool, default=False
            Whether the rows have missing values, as the training rows had: each row has the gaps of
            a training row drawn at random, whatever its values. Those in `given` are never missing.

        Returns
        -------
        X_new : ndarray or data frame of shape (n_samples, n_features)
            As :meth:`VAETransformer.sample` returns.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `n_samples` is not a positive integer, if y is none of the classes, or for any reason
            for which :meth:`VAETransformer.sample` raises one.

        Warns
        -----
        UserWarning
            If too few draws of a class are classified as it.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        numbers = None if y is None else self._numbers_to_draw(y, n_samples)
        return self._sample(n_samples, numbers, random_state, mean, given, missing)

    def _numbers_to_draw(self, y, n_samples: int) -> np.ndarray:
        """Return the numbers of the classes of rows to be drawn."""
        values = label_values([y] if np.ndim(y) == 0 else y)
        if len(values) not in (1, n_samples):
            raise ValueError(
                f"y has {len(values)} classes for n_samples={n_samples} rows. Pass one class, or "
                "one for each row."
            )
        known = np.ones(len(values), dtype=bool)
        return np.resize(class_numbers(values, known, self.classes_), n_samples)

    def _drawn_latents(
        self,
        n_samples: int,
        label: int | None,
        row: np.ndarray,
        columns: list[int],
        generator: torch.Generator,
    ) -> np.ndarray:
        """Draw latent vectors of a class, and reject those whose decoded row is of another one."""
        args = (n_samples, label, row, columns, generator)
        Z = super()._drawn_latents(*args)
        if label is None:
            return Z
        kept = Z[self._accepted(Z, label, generator)]
        for _ in range(_MOST_ROUNDS):
            if len(kept) >= n_samples:
                break
            Z = super()._drawn_latents(*args)
            kept = np.concatenate([kept, Z[self._accepted(Z, label, generator)]])
        if len(kept) < n_samples:
            [name] = self.classes_[[label]].tolist()
            warnings.warn(
                f"Only {len(kept)} of {n_samples} rows drawn of class {name!r} are classified as "
                "it; the others are kept as they are. The latent vectors hold too little of the "
                "classes: train for more epochs, or look at 'train_kl' of history_.",
                UserWarning,
                stacklevel=2,
            )
        return np.concatenate([kept, Z])[:n_samples]

    def _accepted(self, Z: np.ndarray, label: int, generator: torch.Generator) -> np.ndarray:
        """Return which latent vectors are accepted: each with the probability of the class."""
        log_probs = inference.classify(self.module_, inference.decode(self.module_, Z))[:, label]
        uniform = torch.rand(len(Z), generator=generator, device=generator.device)
        return uniform.cpu().numpy() < np.exp(log_probs)

    def _labelled(self, rows: TrainingRows, values: np.ndarray, has_classes: bool) -> _LabelledRows:
        """Return the rows with their classes, which are learned from them unless they are known."""
        source = np.arange(len(rows.X)) if rows.source is None else rows.source
        values = values[source]
        known = ~is_unlabeled(values, self.unlabeled, self.classes_ if has_classes else None)
        if not has_classes:
            self.classes_ = classes_of(known_labels(values, known))
        labels = class_numbers(values, known, self.classes_)
        return _LabelledRows(rows.X, rows.source, rows.shares, labels)

    def _autos(self) -> dict[str, Any]:
        return {**super()._autos(), **OF_CLASSES}

    def _settings(self, rows: _LabelledRows, seed: int) -> Settings:
        settings = super()._settings(rows, seed)
        if self.weight_decay != "auto" or self.optimizer != "adam":
            return settings
        n_labelled = int((_drawn_labels(rows) != UNKNOWN).sum())
        return replace(settings, classifier_decay=min(1.0, _DECAY / max(1, n_labelled)))

    def _builder(self, rows: _LabelledRows, n_components: int):
        shares = _shares(_drawn_labels(rows), len(self.classes_))
        network, of_class = self._resolve("network"), self._resolve("prior")
        prior = ClassConditional(prior=of_class, class_shares=shares)

        def build(X: np.ndarray) -> VAEModule:
            likelihood = self._likelihood_of(X)
            classes = rows.labels, len(shares)
            return build_module(network, likelihood, prior, X, n_components, *classes)

        return build

    def _net_to_train(self, rows: _LabelledRows, seed: int, goes_on: bool) -> VAENet:
        net = super()._net_to_train(rows, seed, goes_on)
        labels = _drawn_labels(rows)
        known = labels != UNKNOWN
        shares = torch.tensor(_shares(labels, len(self.classes_)), dtype=torch.float32)
        objective = SemiSupervised(
            net.settings.objective,
            torch.from_numpy(rows.drawn()[known]),
            torch.from_numpy(labels[known]),
            share=float(known.mean()),
            log_shares=shares.log() if known.any() else net.module_.prior.log_shares.detach(),
            weight=self.consistency,
            warmup=_WARMUP * net.settings.max_epochs,
        )
        net.settings = replace(net.settings, objective=objective)
        return net

    def _adopt_trained(self, net: VAENet, X: np.ndarray, seed: int) -> None:
        # the rows of the objective belong to the run
        net.settings = replace(net.settings, objective=net.settings.objective.objective)
        super()._adopt_trained(net, X, seed)

    def _identifying(self, rows: _LabelledRows) -> np.ndarray:
        return np.column_stack([rows.drawn(), _drawn_labels(rows).astype(rows.X.dtype)])

    def _get_state(self) -> dict[str, Any]:
        classes: Any = self.classes_
        if classes.dtype.kind not in "biuf":
            classes = {"labels": Lines.of(classes), "dtype": str(classes.dtype)}
        return {**super()._get_state(), "classes": classes}

    def _set_state(self, state: dict[str, Any], device: str) -> None:
        super()._set_state(state, device)
        self.classes_ = _checked_classes(state["classes"], self.module_.parts.n_classes)


def _drawn_labels(rows: _LabelledRows) -> np.ndarray:
    """Return the numbers of the classes of `rows.drawn()`."""
    assert rows.labels is not None
    return rows.labels if rows.shares is None else rows.labels[draw(rows.shares, rows.n_rows)]


def _shares(labels: np.ndarray, n_classes: int) -> list[float]:
    """Return the shares of the classes among the labels, none of them zero."""
    counts = np.bincount(labels[labels != UNKNOWN], minlength=n_classes) + _PSEUDO_COUNT
    return (counts / counts.sum()).tolist()


def _checked_classes(state: Any, n_classes: int) -> np.ndarray:
    """Return classes that were read from a file.

    Raises
    ------
    ValueError
        If they are not as many different numbers or texts as the model has classes, in order.
    """
    classes = state
    if isinstance(state, dict):
        labels = list(state["labels"]) if len(state["labels"]) == n_classes else []
        classes = np.array(labels, dtype=object if state["dtype"] == "object" else str)
    sound = isinstance(classes, np.ndarray) and classes.ndim == 1 and len(classes) == n_classes
    if not sound or not np.array_equal(np.unique(classes), classes):
        raise ValueError(f"its classes are not {n_classes} different labels in ascending order")
    return classes
