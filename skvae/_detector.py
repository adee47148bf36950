"""The outlier detector: a VAE used as an isolation forest is used."""

from __future__ import annotations

from numbers import Real

from skvae._base import BaseVAE
from skvae._detection import DetectionMixin
from skvae._validation import HasMethods, Interval, StrOptions
from skvae.scores._registry import SHORT_NAMES


class VAEAnomalyDetector(DetectionMixin, BaseVAE):
    """Outlier detection by a variational autoencoder.

    Learns the distribution of the training rows and calls the least normal rows outliers.

    Parameters
    ----------
    n_components : int, default=16
        Latent dimensions.
    network : {"mlp", "conv", "resnet"} or object, default="mlp"
        Encoder and decoder: a short name, a configured object of :mod:`skvae.networks`, or any
        object with their two `build` methods.
    likelihood : str or object, default="gaussian"
        The distribution p(x|z), by a short name or as a configured object of
        :mod:`skvae.likelihoods`: "gaussian" and "student_t" take any real data, "bernoulli" and
        "continuous_bernoulli" values in [0, 1], "poisson" and "negative_binomial" counts,
        "categorical" and "discretized_logistic" levels 0, 1, 2, ...;
        :class:`~skvae.likelihoods.Mixed` has a distribution for each column.
    prior : {"normal", "mixture", "vamp", "flow"} or object, default="normal"
        The distribution p(z), N(0, I) or one that is learned: a short name, or a configured object
        of :mod:`skvae.priors`.
    objective : {"elbo", "iwae", "beta_tcvae", "info_vae"} or callable, default="elbo"
        What training optimises: a short name, or a configured object of :mod:`skvae.objectives`.
    max_epochs : int or "auto", default="auto"
        Passes over the training rows. "auto" fits them to their number n: as many as
        ``max(1000, 20 sqrt(n))`` optimiser steps take; ten times that at most under
        `early_stopping`.
    batch_size : int or "auto", default="auto"
        Rows per optimiser step. "auto" is 64, from 10,000 rows up 128.
    learning_rate : float, default=1e-3
        Mean learning rate of `fit`, which runs through one cycle [3]_: a warm-up to twice this over
        the first quarter, then half a cosine down to zero. It is constant in `partial_fit` and
        under `early_stopping`, where the end is not known beforehand; a
        :class:`skorch.callbacks.LRScheduler` among `callbacks` replaces the cycle.
    optimizer : {"adam", "sgd"} or subclass of torch.optim.Optimizer, default="adam"
        "adam" is Adam with decoupled weight decay [4]_. A gradient whose norm exceeds 1e8, which no
        healthy fit reaches, is scaled down to that; `callbacks` may clip it lower, see
        :class:`skorch.callbacks.GradientNormClipping`.
    weight_decay : float or "auto", default="auto"
        Decay of the networks' weights, biases excepted. "auto" is ``min(1, 1000 / n)`` for Adam, as
        a fixed prior on the weights weighs less the more rows there are, and 0 for the others.
    early_stopping : bool, default=False
        Whether to set `validation_fraction` of the rows aside, to stop when the validation loss has
        not improved for `n_iter_no_change` epochs, and to return to the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows set aside under `early_stopping`, in (0, 1).
    n_iter_no_change : int, default=10
        Epochs without improvement that end a fit under `early_stopping`.
    n_importance_samples : int, default=16
        Samples of the importance-weighted bound behind a score [2]_. The bound of fewer than 16 is
        the mean over several sets of them, 16 draws in all.
    fit_density : density estimator of scikit-learn or None, default=None
        Fitted to the embedded training rows after training, such as a
        :class:`~sklearn.mixture.GaussianMixture`; `sample` then draws from it and not from the
        prior [5]_, whose draws may fall where no row lies. Of these only a GaussianMixture can be
        saved.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the matrix products in training. "auto" is bfloat16 for rows of at least 256 features on
        a processor that computes it natively, else float32. Losses are float32 always; scores and
        embeddings have the precision of the rows, float32 or float64.
    device : str or torch.device, default="auto"
        "auto" is a CUDA GPU where there is one, else the CPU.
    compile : bool, default=False
        Whether to train by code compiled with ``torch.compile``: each step is faster, after
        ten seconds or more of compiling that a long fit alone repays. Needs a C++ compiler.
    callbacks : list of skorch callbacks or None, default=None
        Called during training, see :mod:`skorch.callbacks`.
    checkpoint : str, path-like, Checkpoint or None, default=None
        A folder for periodic checkpoints of `fit`, or a :class:`~skvae.Checkpoint` that also says
        how often, how many to keep, and whether to go on from the newest.
    warm_start : bool, default=False
        Whether `fit` goes on from the fit before until `max_epochs` have been run in all, and
        warns where they were run already. Network, likelihood, prior, objective, optimizer,
        weight decay, callbacks and device stay those of the first fit.
    verbose : int, default=0
        1 shows a progress bar with loss, reconstruction and KL; 0 is silent.
    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order of the rows, and draws. The global generators are neither
        read nor changed; None takes fresh entropy from the operating system.
    anomaly_score : str or object, default="residual_neighbors"
        What `score_samples` returns, higher for more normal rows: a short name, or a configured
        object of :mod:`skvae.scores`. "residual_neighbors": minus the distance from the nearest
        of up to 10,000 training rows, both by the standardised values and by what the model leaves
        of them; "latent_neighbors": minus that distance in the latent space. "log_likelihood": the
        importance-weighted log-likelihood [2]_; "elbo": the evidence lower bound; "reconstruction":
        the expected log p(x|z) under q(z|x); "kl": minus the KL divergence of q(z|x) from the
        prior, all of these in nats. "relative_error": minus the squared error of the reconstruction
        by the row's own squared norm. "latent_density": the log density, in nats, of a Gaussian
        mixture over the embedded training rows. "typicality": minus the distance of the
        log-likelihood from its mean in training, in nats. "likelihood_regret": minus the gain, in
        nats, from fitting q(z|x) to the row alone. "combined": the sum of "relative_error" and
        "latent_density", each standardised.
    contamination : float or "auto", default=0.1
        Share of the training rows that the threshold calls outliers, in (0, 0.5]. Of new normal
        rows it can call more, as the model fits those of its training better. "auto" calls a tenth
        of the new normal rows outliers at most, those whose p-value is 0.1 or less. It needs
        `calibration_fraction`, and fewer than nine rows set aside cannot tell a tenth: beyond the
        threshold is then what scores below all of them.
    calibration_fraction : float or None, default=None
        Share of the rows that `fit` or `partial_fit` sets aside, in (0, 1), for `p_values` and the
        threshold "auto". They are the same rows at every call, and neither the model nor the score
        learns from them.

    Attributes
    ----------
    n_components_ : int
        Latent dimensions.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X had names that are all strings.
    n_iter_ : int
        Epochs run.
    n_steps_ : int
        Optimiser steps run.
    history_ : dict of str to ndarray of shape (`n_iter_`,)
        `train_loss`, `train_reconstruction` and `train_kl` in nats per row, the same with `valid_`
        under `early_stopping`, and `duration` in seconds.
    module_ : torch.nn.Module
        The trained model, in the units of X.
    net_ : skorch.NeuralNet
        What trained it.
    device_ : str
        Where it was trained.
    precision_ : {"float32", "bfloat16"}
        Of the matrix products in training.
    density_ : density estimator or None
        The fitted `fit_density`; after `partial_fit`, fitted to the last chunk.
    anomaly_score_ : object
        The score with what it learned from the training rows, of the last chunk after
        `partial_fit`: `spec`, and `tensors` by name.
    offset_ : float
        Threshold of `score_samples`: the quantile `contamination` of the scores of all rows that
        `fit` was given, or the last `partial_fit`; under "auto" one of `calibration_scores_`.
    calibration_scores_ : ndarray of shape (n_calibration,) or None
        Scores of the rows set aside, in ascending order.

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
    .. [5] Ghosh et al. (2020), "From Variational to Deterministic Autoencoders", section 4.

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

    _parameter_constraints = {
        **BaseVAE._parameter_constraints,
        "anomaly_score": [
            StrOptions(set(SHORT_NAMES)),
            HasMethods(["build", "score", "shapes", "n_draws"]),
        ],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), StrOptions({"auto"})],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither"), None],
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
        anomaly_score="residual_neighbors",
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
            fit_density=fit_density,
            precision=precision,
            device=device,
            compile=compile,
            callbacks=callbacks,
            checkpoint=checkpoint,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
        )
        self.anomaly_score = anomaly_score
        self.contamination = contamination
        self.calibration_fraction = calibration_fraction
