"""
How well unseen digits are modelled
===================================

A model is trained for ten epochs on the training images of MNIST and evaluated on the test images:
by its log-likelihood, its reconstructions and its samples.
"""

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.metrics import active_units, log_likelihood, reconstruction_error
from skvae.plotting import ReconstructionDisplay, SampleDisplay

# %%
# Grey levels in [0, 1] are interpreted as probabilities of ink.

X_train, X_test = (fetch_mnist(subset=subset).data for subset in ("train", "test"))

# %%
# Everything except the likelihood and the number of epochs is left at its default: an MLP, and Adam
# with one cycle of the learning rate.

vae = VAETransformer(
    n_components=16,
    likelihood="bernoulli",
    max_epochs=10,
    random_state=0,
).fit(X_train)
print(f"{vae.n_iter_} epochs in {vae.history_['duration'].sum():.0f} s")
print(f"{active_units(vae, X_test)} of {vae.n_components_} latent dimensions are in use")

# %%
# Log-likelihood
# --------------
# The bound that training maximises (ELBO), on training and on test images, and the
# importance-weighted bound with 100 draws, which is closer to the log-likelihood. The difference
# between the two sets shows how far the model overfits.

rows = {"training": X_train[: len(X_test)], "test": X_test}
for name, X in rows.items():
    elbo = log_likelihood(vae, X, n_samples=1, random_state=0)
    print(f"{name:<8}  ELBO            {elbo.mean:8.2f} ± {elbo.standard_error:.2f}")
closer = log_likelihood(vae, X_test, n_samples=100, random_state=0)
print(f"{'test':<8}  log-likelihood  {closer.mean:8.2f} ± {closer.standard_error:.2f}")

# %%
# Reconstructions
# ---------------
# Images in the upper row, and their reconstructions below them:

for name, X in rows.items():
    ReconstructionDisplay.from_estimator(vae, X[:12]).ax_.set_title(f"{name.capitalize()} images")
plt.show()

# %%
# The error as a share of the range of grey levels, compared with PCA with the same number of
# components:

pca = PCA(vae.n_components_, random_state=0).fit(X_train)
for name, X in rows.items():
    pca_error = reconstruction_error(X, pca.inverse_transform(pca.transform(X)))
    vae_error = reconstruction_error(X, vae.reconstruct(X))
    print(f"{name:<8}  RMSE  PCA {pca_error:.3f}  VAE {vae_error:.3f}")

# %%
# Samples
# -------

SampleDisplay.from_estimator(vae, n_samples=100, random_state=0)
plt.show()
