"""
Digits that the model has not seen
==================================

Ten epochs on the 60,000 training images of MNIST, judged by the 10,000 test images: what the model
samples, how it reconstructs, and how many nats an unseen digit costs.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.metrics import active_units, log_likelihood, reconstruction_error
from skvae.plotting import ReconstructionDisplay, SampleDisplay

# %%
# Grey levels in [0, 1] are read as probabilities of ink. The short form of this page takes
# scikit-learn's small digits.

SHORT = os.environ.get("SKVAE_EXAMPLES") == "short"

if SHORT:
    X_train, X_test = train_test_split(load_digits().data.astype(np.float32) / 16, random_state=0)
else:
    X_train, X_test = (fetch_mnist(subset=subset).data for subset in ("train", "test"))

# %%
# Everything but the likelihood and the number of epochs is left at its default: an MLP of 512 and
# 256 hidden units, batches of 128, Adam through one cycle of the learning rate.

vae = VAETransformer(
    n_components=16,
    likelihood="bernoulli",
    max_epochs="auto" if SHORT else 10,
    random_state=0,
).fit(X_train)
print(f"{vae.n_iter_} epochs in {vae.history_['duration'].sum():.0f} s")
print(f"{active_units(vae, X_test)} of {vae.n_components_} latent dimensions are in use")

# %%
# Nats per image
# --------------
# The bound that training maximises, on images it was trained on and on unseen ones, and the
# importance-weighted bound with 100 draws, which is closer to the log-likelihood itself. The
# two sets agree within a nat or two: the model has learned digits, not these images.

rows = {"training": X_train[: len(X_test)], "test": X_test}
for name, X in rows.items():
    elbo = log_likelihood(vae, X, n_samples=1, random_state=0)
    print(f"{name:<8}  ELBO            {elbo.mean:8.2f} ± {elbo.standard_error:.2f}")
closer = log_likelihood(vae, X_test, n_samples=100, random_state=0)
print(f"{'test':<8}  log-likelihood  {closer.mean:8.2f} ± {closer.standard_error:.2f}")

# %%
# Reconstructions
# ---------------
# Images above, and below them what the model makes of them:

for name, X in rows.items():
    ReconstructionDisplay.from_estimator(vae, X[:12]).ax_.set_title(f"{name.capitalize()} images")
plt.show()

# %%
# The error, as a share of the range from paper to ink, beside PCA with as many components. The
# small digits of the short form have only four pixels for each of them, and are easy for PCA.

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
