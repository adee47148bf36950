"""
Letters: one model, five uses
=============================

A variational autoencoder learns handwritten letters once. Then it writes new ones, tells digits
from letters, draws a map, compresses, and describes letters for other estimators to work with.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.manifold import TSNE
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skvae import VAETransformer
from skvae.datasets import fetch_emnist, fetch_mnist
from skvae.metrics import reconstruction_error
from skvae.networks import MLP
from skvae.plotting import AnomalyScoreDisplay, LatentSpaceDisplay, SampleDisplay

# %%
# EMNIST's letters, A to Z, and as many of MNIST's digits as there are test letters. In the short
# form of this page scikit-learn's small digits stand in: 0 to 6 for letters, 7 to 9 for digits.

if os.environ.get("SKVAE_EXAMPLES") == "short":
    images, y = load_digits(return_X_y=True)
    images, is_letter = images.astype(np.float32) / 16, y < 7
    data = train_test_split(images[is_letter], y[is_letter], random_state=0)
    X_train, X_test, y_train, y_test = data
    digits = images[~is_letter]
else:
    train, test = fetch_emnist(subset="train"), fetch_emnist(subset="test")
    X_train, y_train = train.data, train.target_names[train.target]
    X_test, y_test = test.data, test.target_names[test.target]
    digits = fetch_mnist(subset="test").data[: len(X_test)]
print(f"{len(X_train)} letters to learn, {len(X_test)} letters and {len(digits)} digits to test")

# %%
# The model is an MLP with a dropout of 0.2, trained by Adam; the rest is left at its defaults. PCA
# of the same size stands beside it throughout.

vae = VAETransformer(n_components=16, network=MLP(dropout=0.2), random_state=0).fit(X_train)
pca = PCA(n_components=16, random_state=0).fit(X_train)

# %%
# Generation
# ----------

SampleDisplay.from_estimator(vae, random_state=0)
plt.show()

# %%
# Anomaly detection
# -----------------
# The model knows letters only. How well does its likelihood tell digits from letters, both unseen?
# By the area under the ROC curve 0.5 is guessing, and 1 is out of reach: some look alike, as O and
# 0 do. The threshold lets nine in ten training letters pass, like that of
# :class:`~skvae.VAEAnomalyDetector`.

models = {"IsolationForest": IsolationForest(random_state=0).fit(X_train), "PCA": pca, "VAE": vae}
X_mixed, labels = np.vstack([X_test, digits]), np.repeat([1, -1], [len(X_test), len(digits)])
for name, model in models.items():
    print(f"AUROC of {name:<15}  {roc_auc_score(labels, model.score_samples(X_mixed)):.3f}")

threshold = np.percentile(vae.score_samples(X_train), 10)
AnomalyScoreDisplay(vae.score_samples(X_mixed), threshold, labels, X=X_mixed).plot()
plt.show()

# %%
# Dimensionality reduction
# ------------------------
# Sixteen numbers in place of 784 pixels, which t-SNE then spreads over a page, letter by letter:

rows = slice(None, None, 1 + len(X_test) // 3000)
page = TSNE(random_state=0).fit_transform(vae.transform(X_test[rows]))
LatentSpaceDisplay(page, y_test[rows]).plot().ax_.set(xlabel="", ylabel="", title="Letters")
plt.show()

# %%
# Compression
# -----------
# A code of 16 half-precision numbers takes 32 bytes, an image one byte a pixel. What that costs
# (the small digits of the short form, four pixels for each number, are easy for PCA):

for name, model in {"PCA": pca, "VAE": vae}.items():
    codes = model.transform(X_test).astype(np.float16)
    error = reconstruction_error(X_test, model.inverse_transform(codes.astype(np.float32)))
    print(f"{name}: {X_test.shape[1]} bytes to {codes[0].nbytes}, RMSE {error:.3f} of full ink")

# %%
# Feature learning
# ----------------
# The codes as features: a classifier by the five nearest letters, and a clustering that is not
# told any letter, by its mutual information with the truth (0 to 1).

for name, model in {"PCA": pca, "VAE": vae}.items():
    codes, codes_test = model.transform(X_train), model.transform(X_test)
    accuracy = KNeighborsClassifier().fit(codes, y_train).score(codes_test, y_test)
    clusters = KMeans(len(np.unique(y_train)), random_state=0).fit(codes).predict(codes_test)
    nmi = normalized_mutual_info_score(y_test, clusters)
    print(f"{name}: accuracy {accuracy:.3f}, mutual information of the clusters {nmi:.3f}")
