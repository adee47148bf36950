"""Networks, likelihoods, priors, objectives and scores as text, read without evaluating it."""

from __future__ import annotations

import ast
from importlib import import_module
from typing import Any

# For each role, the short names and the calls that they abbreviate, with all arguments.
PARTS = {
    "network": {
        "auto": "MLP(hidden_layer_sizes='auto', activation='relu', dropout=0.0, "
        "skip_connections=False, residual=False, linear_decoder=False)",
        "mlp": "MLP(hidden_layer_sizes='auto', activation='relu', dropout=0.0, "
        "skip_connections=False, residual=False, linear_decoder=False)",
        "conv": "Conv(image_shape=None, channels=(32, 64), hidden_units=256, activation='relu', "
        "dropout=0.0)",
        "resnet": "ResNet(image_shape=None, channels=(32, 64), blocks_per_stage=1, n_groups=8, "
        "hidden_units=256, activation='silu', dropout=0.0)",
    },
    "likelihood": {
        "auto": "Gaussian(noise='auto', scaling='auto', bounded='auto', noise_floor=0.001)",
        "gaussian": "Gaussian(noise='auto', scaling='auto', bounded='auto', noise_floor=0.001)",
        "student_t": "StudentT(df='learned', scaling='auto')",
        "bernoulli": "Bernoulli(binarize=None)",
        "continuous_bernoulli": "ContinuousBernoulli()",
        "histogram": "Histogram(n_bins='auto')",
        "categorical": "Categorical(n_categories=256, ordered=True, levels='auto')",
        "discretized_logistic": "DiscretizedLogistic(n_levels=256, n_mixtures=1, "
        "noise='per_sample')",
        "poisson": "Poisson()",
        "negative_binomial": "NegativeBinomial()",
        "mixed": "Mixed(columns='auto', kinds=None)",
    },
    "prior": {
        "auto": "StandardNormal()",
        "normal": "StandardNormal()",
        "vamp": "VampPrior(n_pseudo_inputs=500)",
        "mixture": "MixturePrior(n_mixtures=50)",
        "flow": "FlowPrior(n_layers=6, hidden_units=64)",
        "ex_post": "ExPostMixture(n_mixtures=20)",
    },
    "objective": {
        "auto": "ELBO(beta=1.0, free_bits=0.0, warmup='auto', n_samples=1)",
        "elbo": "ELBO(beta=1.0, free_bits=0.0, warmup='auto', n_samples=1)",
        "iwae": "IWAE(n_samples=8, gradient='standard')",
        "beta_tcvae": "BetaTCVAE(alpha=1.0, beta=6.0, gamma=1.0)",
        "info_vae": "InfoVAE(alpha=0.0, scale=100.0, kernel='rbf', bandwidth='auto')",
    },
    "anomaly_score": {
        "residual_neighbors": "ResidualNeighbors(n_neighbors=5, max_rows='auto')",
        "novelty_rarity": (
            "NoveltyRarity(novelty=2.0, n_neighbors=5, n_estimators=100, max_rows='auto')"
        ),
        "latent_neighbors": "LatentNeighbors(n_neighbors=5)",
        "log_likelihood": "ModelScore(quantity='log_likelihood')",
        "elbo": "ModelScore(quantity='elbo')",
        "reconstruction": "ModelScore(quantity='reconstruction')",
        "kl": "ModelScore(quantity='kl')",
        "relative_error": "RelativeError(origin='auto', floor=0.01, blur=0.0, image_shape=None)",
        "latent_density": "LatentDensity(n_components=10, covariance_type='full', reg_covar=0.01)",
        "typicality": "Typicality(quantity='log_likelihood')",
        "likelihood_regret": "LikelihoodRegret(n_steps=30, learning_rate=0.1, n_bound_samples=8)",
        "combined": "Combined(scores=('relative_error', 'latent_density'), standardization='z')",
    },
}
_PACKAGES = {
    "network": "skvae.networks",
    "likelihood": "skvae.likelihoods",
    "prior": "skvae.priors",
    "objective": "skvae.objectives",
    "anomaly_score": "skvae.scores",
}


def read_part(role: str, text: str) -> Any:
    """Return a short name as it is, and a call as the object that it describes.

    Nothing is evaluated: a call must name one of the classes of its role, its arguments must be
    named, and their values must be literals.

    Parameters
    ----------
    role : {"network", "likelihood", "prior", "objective", "anomaly_score"}
        The parameter of the estimator.
    text : str
        A short name, or a call as in Python.

    Returns
    -------
    part : str or object
        A value of the parameter. The arguments of an object have been checked.

    Raises
    ------
    ValueError
        If the text is neither a short name nor a call, or an argument is not allowed.

    Examples
    --------
    >>> read_part("network", "MLP(hidden_layer_sizes=(64, 32), dropout=0.1)")
    MLP(dropout=0.1, hidden_layer_sizes=(64, 32))
    >>> read_part("objective", "elbo")
    'elbo'
    """
    if text in PARTS[role]:
        return text
    calls = {call.partition("(")[0]: call for call in PARTS[role].values()}
    call = _parse_call(text)
    if call is None or call.func.id not in calls:
        raise ValueError(
            f"{text!r} is not known here; expected {', '.join(PARTS[role])}, or a call of "
            f"{', '.join(calls)}, such as {next(iter(calls.values()))}"
        )
    name = call.func.id
    arguments = _read_arguments(call, calls[name])
    part = getattr(import_module(_PACKAGES[role]), name)(**arguments)
    if arguments:
        part.validate()
    return part


def _parse_call(text: str) -> ast.Call | None:
    """Return the syntax tree of a call of a plain name, or None for any other text."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return node if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def _read_arguments(call: ast.Call, expected: str) -> dict[str, Any]:
    known = [keyword.arg for keyword in _parse_call(expected).keywords]
    try:
        positional = [ast.literal_eval(node) for node in call.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ValueError, TypeError, RecursionError) as exc:
        raise ValueError(
            f"{ast.unparse(call)!r} contains more than plain values; use numbers, strings, tuples, "
            "lists, dicts, True, False and None"
        ) from exc
    unknown = [name or "**" for name in named if name not in known]
    if unknown or len(positional) > len(known):
        surplus = ", ".join(unknown) or "so many arguments"
        raise ValueError(f"{call.func.id} does not accept {surplus}; expected {expected}")
    if positional:
        names = dict(zip(known, positional, strict=False)) | named
        written = ", ".join(f"{name}={value!r}" for name, value in names.items())
        raise ValueError(
            f"the arguments of {call.func.id} must be named: write {call.func.id}({written})"
        )
    return named
