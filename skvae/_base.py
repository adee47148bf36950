"""What both estimators share before and during fit: parameters and training."""

from __future__ import annotations

import os
from functools import partial
from numbers import Integral, Real
from typing import ClassVar

import torch

from skvae._density import fit_density
from skvae._files.checkpoint_folder import Checkpoint
from skvae._files.resume import CheckpointedRun
from skvae._fitted import FittedVAE
from skvae._model.inference import encode_mean
from skvae._random import draw_seed, isolated_rng
from skvae._specs import OPTIMIZERS, SHORT_NAMES, resolve_device
from skvae._training.budget import training_budget
from skvae._training.fit import copy_net, new_net, train_one_pass, train_to_budget
from skvae._validation import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    check_rows,
    unchanged_on_failure,
)


class BaseVAE(FittedVAE):
    """Base of the estimators; its parameters are documented where users meet them."""

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "network": [
            StrOptions(set(SHORT_NAMES["network"])),
            HasMethods(["build_encoder", "build_decoder"]),
        ],
        "likelihood": [StrOptions(set(SHORT_NAMES["likelihood"])), HasMethods("build")],
        "prior": [StrOptions(set(SHORT_NAMES["prior"])), HasMethods("build")],
        "objective": [StrOptions(set(SHORT_NAMES["objective"])), callable],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "weight_decay": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
        "fit_density": [HasMethods(["fit", "sample"]), None],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "device": [str, torch.device],
        "compile": ["boolean"],
        "callbacks": [list, None],
        "checkpoint": [str, os.PathLike, Checkpoint, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=16,
        *,
        network="mlp",
        likelihood="gaussian",
        prior="normal",
        objective="elbo",
        max_epochs="auto",
        batch_size="auto",
        learning_rate=1e-3,
        optimizer="adam",
        weight_decay="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        n_importance_samples=16,
        fit_density=None,
        precision="auto",
        device="auto",
        compile=False,
        callbacks=None,
        checkpoint=None,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.network = network
        self.likelihood = likelihood
        self.prior = prior
        self.objective = objective
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_importance_samples = n_importance_samples
        self.fit_density = fit_density
        self.precision = precision
        self.device = device
        self.compile = compile
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, at least two, in any units that the likelihood accepts.
        y : Ignored
            For scikit-learn's pipelines.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array that the likelihood and the network accept.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        with unchanged_on_failure(self):
            go_on = self.warm_start and hasattr(self, "net_")
            X = check_rows(self, X, reset=not go_on, min_samples=2)
            self._train(X, train_to_budget, go_on, self.checkpoint)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Train for one pass over these rows, from where the last call or fit ended.

        For data that do not fit in memory. The first call decides the scaling of the features, the
        batch size and the weight decay from its chunk; the learning rate stays constant.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A chunk of training rows.
        y : Ignored
            For scikit-learn's pipelines.

        Returns
        -------
        self : object
            The estimator, trained one epoch further.

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array that the likelihood and the network accept.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        with unchanged_on_failure(self):
            go_on = hasattr(self, "net_")
            X = check_rows(self, X, reset=not go_on, min_samples=1 if go_on else 2)
            self._train(X, train_one_pass, go_on)
        return self

    def _train(self, X, train, go_on: bool, checkpoint=None) -> None:
        """Train a new net or, to go on, a copy of the one there is; keep it when all went well."""
        params = self.get_params(deep=False)
        budget = training_budget(len(X), self.batch_size)
        seed, run = draw_seed(self.random_state), None
        if checkpoint is not None:
            describe = partial(self._describe, dtype=X.dtype)
            run = CheckpointedRun(checkpoint, params, X, seed, describe)
            seed = run.seed
        if go_on:
            self._check_compatible(X)
        with isolated_rng(seed, resolve_device(self.device)):
            net = copy_net(self.net_, params) if go_on else new_net(params, X, budget, seed)
            train(net, X, params, budget, run)
        self._adopt(net, X.dtype)
        if self.fit_density is not None:
            self.density_ = fit_density(self.fit_density, encode_mean(self.module_, X), seed)
        self._finish_fit(X)

    def _finish_fit(self, X) -> None:
        """Set what a subclass derives from the training rows."""

    def _check_compatible(self, X) -> None:
        """Refuse to go on with another latent size, or with rows the likelihood cannot take."""
        if self.n_components != self.n_components_:
            raise ValueError(
                f"n_components={self.n_components} differs from the {self.n_components_} of the "
                "fit to go on from. Set warm_start=False, or clone the estimator, to start anew."
            )
        self._check_support(X)
