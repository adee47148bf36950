"""
Letters: one model, five uses
=============================

A variational autoencoder is trained once on handwritten letters. It then generates new letters,
distinguishes digits from letters, gives the features for a map, compresses images, and gives the
features for a classifier and a clustering.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from skvae import VAETransformer
from skvae.datasets import fetch_emnist, fetch_mnist
from skvae.metrics import reconstruction_error
from skvae.networks import MLP
from skvae.plotting import AnomalyScoreDisplay, LatentSpaceDisplay, SampleDisplay

# %%
# The letters A to Z of EMNIST, and as many digits of MNIST as there are test letters.

train, test = fetch_emnist(subset="train"), fetch_emnist(subset="test")
X_train, y_train = train.data, train.target_names[train.target]
X_test, y_test = test.data, test.target_names[test.target]
digits = fetch_mnist(subset="test").data[: len(X_test)]
print(f"{len(X_train)} letters to learn, {len(X_test)} letters and {len(digits)} digits to test")

# %%
# The model is an MLP with a dropout of 0.2; everything else is left at its default. It is compared
# with PCA with the same number of components.

vae = VAETransformer(n_components=16, network=MLP(dropout=0.2), random_state=0).fit(X_train)
pca = PCA(n_components=16, random_state=0).fit(X_train)

# %%
# Generation
# ----------

SampleDisplay.from_estimator(vae, kind="image", random_state=0)
plt.show()

# %%
# Anomaly detection
# -----------------
# The model is trained on letters only. How well does its likelihood distinguish digits from test
# letters? The area under the ROC curve (AUROC) is 0.5 for guessing. A value of 1 cannot be reached,
# because some letters and digits look alike, such as O and 0. Nine in ten training letters have
# scores above the threshold, as with the default of :class:`~skvae.VAEAnomalyDetector`.

models = {"IsolationForest": IsolationForest(random_state=0).fit(X_train), "PCA": pca, "VAE": vae}
X_mixed, labels = np.vstack([X_test, digits]), np.repeat([1, -1], [len(X_test), len(digits)])
for name, model in models.items():
    print(f"AUROC of {name:<15}  {roc_auc_score(labels, model.score_samples(X_mixed)):.3f}")

threshold = np.percentile(vae.score_samples(X_train), 10)
scores = vae.score_samples(X_mixed)
AnomalyScoreDisplay(scores, threshold, labels, X=X_mixed, kind="image").plot()
plt.show()

# %%
# Dimensionality reduction
# ------------------------
# The embedding has 16 dimensions. t-SNE reduces it to two for the map:

rows = slice(None, None, 1 + len(X_test) // 3000)
LatentSpaceDisplay.from_estimator(vae, X_test[rows], y_test[rows], projection="tsne")
plt.show()

# %%
# Compression
# -----------
# A code of 16 half-precision numbers has 32 bytes, an image has one byte per pixel. The loss of the
# compression is the root mean squared error (RMSE) of the reconstructions.

for name, model in {"PCA": pca, "VAE": vae}.items():
    codes = model.transform(X_test).astype(np.float16)
    error = reconstruction_error(X_test, model.inverse_transform(codes.astype(np.float32)))
    print(f"{name}: {X_test.shape[1]} bytes to {codes[0].nbytes}, RMSE {error:.3f} of full ink")

# %%
# Feature learning
# ----------------
# The codes are used as features: for a classifier by the five nearest neighbours, measured by its
# accuracy, and for a clustering without labels, measured by its normalised mutual information with
# the true labels (0 to 1).

for name, model in {"PCA": pca, "VAE": vae}.items():
    codes, codes_test = model.transform(X_train), model.transform(X_test)
    accuracy = KNeighborsClassifier().fit(codes, y_train).score(codes_test, y_test)
    clusters = KMeans(len(np.unique(y_train)), random_state=0).fit(codes).predict(codes_test)
    nmi = normalized_mutual_info_score(y_test, clusters)
    print(f"{name}: accuracy {accuracy:.3f}, mutual information of the clusters {nmi:.3f}")

# sphinx_gallery_thumbnail_number = 1
