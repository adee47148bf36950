"""The parts of the KL term, against mixtures of normal distributions and closed forms."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp

from skvae.objectives import ELBO, BetaTCVAE
from skvae.objectives._beta_tcvae import _log_aggregated

PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")


def test_with_all_weights_at_one_it_is_the_elbo(linear, evaluate):
    model = linear(3)
    record = evaluate(BetaTCVAE(alpha=1, beta=1, gamma=1), model)
    for name, value in evaluate(ELBO(), model).items():
        torch.testing.assert_close(record[name], value)


@pytest.mark.parametrize("with_formula", [True, False])
def test_the_parts_sum_to_the_kl_and_are_weighted(linear, only_density, evaluate, with_formula):
    model = linear(3)
    if not with_formula:
        model.prior = only_density(model.prior)
    record = evaluate(BetaTCVAE(alpha=0.5, beta=4, gamma=2), model)
    parts = [record[name] for name in PARTS]
    torch.testing.assert_close(sum(parts), record["kl"])
    charged = 0.5 * parts[0] + 4 * parts[1] + 2 * parts[2]
    torch.testing.assert_close(record["loss"], charged - record["reconstruction"])


def test_a_batch_of_all_rows_uses_the_mixture_of_their_posteriors(linear, evaluate):
    model = linear(2)
    record = evaluate(BetaTCVAE(), model)
    mean, log_var = (part.detach().numpy() for part in model.encode(model.x))
    std = np.exp(0.5 * log_var)
    noise = torch.randn(6, 1, 2, generator=torch.Generator().manual_seed(0), dtype=float)
    z = mean + std * noise.numpy()[:, 0]
    log_q = stats.norm.logpdf(z[:, None], mean, std)  # (n_draws, n_rows, n_components)
    joint = logsumexp(log_q.sum(2), axis=1) - np.log(6)
    marginals = (logsumexp(log_q, axis=1) - np.log(6)).sum(1)
    prior = stats.norm.logpdf(z).sum(1)
    assert record["total_correlation"].item() == pytest.approx((joint - marginals).mean())
    assert record["dimension_wise_kl"].item() == pytest.approx((marginals - prior).mean())


def test_a_batch_estimates_the_density_of_all_rows_without_bias(linear):
    model = linear(2, n_rows=5)
    mean, log_var = (part.detach() for part in model.encode(model.x))
    own, z = 3, torch.tensor([[[0.4, -0.2]]], dtype=float)
    exact_joint, exact_marginals = _log_aggregated(mean, log_var, z.expand(5, 1, 2), 5)
    joint, single = [], []
    for others in combinations([0, 1, 2, 4], 2):  # every batch of three rows that has the draw's
        rows = [own, *others]
        found, _ = _log_aggregated(mean[rows], log_var[rows], z.expand(3, 1, 2), 5)
        joint.append(found[0].exp())
        _, found = _log_aggregated(mean[rows, :1], log_var[rows, :1], z[..., :1].expand(3, 1, 1), 5)
        single.append(found[0].exp())
    torch.testing.assert_close(torch.stack(joint).mean(), exact_joint[own].exp())
    _, exact_single = _log_aggregated(mean[:, :1], log_var[:, :1], z[..., :1].expand(5, 1, 1), 5)
    torch.testing.assert_close(torch.stack(single).mean(), exact_single[own].exp())
    assert exact_marginals.shape == (5,)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_parts_agree_with_closed_forms_for_correlated_normal_latents(linear, evaluate, correlation):
    """With x ~ N(0, I) a linear encoder has a normal q(z), whose divergences are known."""
    model = linear(2, n_rows=2000, n_features=2)
    centred = model.x - model.x.mean(0)
    model.x = torch.linalg.solve(torch.linalg.cholesky(centred.T.cov(correction=0)), centred.T).T
    factor = np.linalg.cholesky([[1.0, correlation], [correlation, 1.0]])
    with torch.no_grad():
        model.slope.copy_(torch.from_numpy(factor))
        model.intercept.zero_()
        model.log_var.fill_(np.log(0.25))
        record = evaluate(BetaTCVAE(), model)
    covariance = factor @ factor.T + 0.25 * np.eye(2)
    log_det, variances = np.linalg.slogdet(covariance)[1], np.diag(covariance)
    expected = {
        "mutual_information": 0.5 * (log_det - 2 * np.log(0.25)),
        "total_correlation": 0.5 * (np.log(variances).sum() - log_det),
        "dimension_wise_kl": 0.5 * (variances - 1 - np.log(variances)).sum(),
    }
    for name, value in expected.items():
        assert record[name].item() == pytest.approx(value, abs=0.03), name


def test_the_number_of_training_rows_is_read_from_the_module(linear, evaluate):
    model = linear(2)
    alone = evaluate(BetaTCVAE(), model)["mutual_information"]
    model.n_rows = 6
    assert evaluate(BetaTCVAE(), model)["mutual_information"] == alone
    model.n_rows = 600  # the draw's own posterior is a smaller part of q(z)
    assert evaluate(BetaTCVAE(), model)["mutual_information"] > alone
    model.n_rows = 3  # a validation batch may be larger than the training set
    assert evaluate(BetaTCVAE(), model)["mutual_information"] == alone


def test_a_batch_of_one_row_has_no_total_correlation(linear, evaluate):
    model = linear(2, n_rows=1)
    model.n_rows = 100
    record = evaluate(BetaTCVAE(), model)
    assert record["total_correlation"].item() == pytest.approx(0, abs=1e-12)
    assert record["loss"].isfinite()
