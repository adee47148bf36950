"""
A table in two dimensions: VAE, PCA and t-SNE
=============================================

Signal strengths of 24 transmitters, measured at 800 places on one floor of a building. The rows are
embedded in two dimensions without the places, and the embeddings are compared by how well they
tell where a row was measured. A second table shows that PCA is sometimes enough.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAETransformer

# %%
# Signals
# -------
# The table is simulated: signals get weaker with the distance, with noise of 2 dB, and a phone
# receives none below -85 dBm. Such a gap is no accident: it means a weak signal, so that it is
# filled with this limit.

rng = np.random.default_rng(0)
places, transmitters = (rng.uniform(0, (60, 30), (n, 2)) for n in (800, 24))
distances = np.linalg.norm(places[:, None] - transmitters, axis=-1)
strengths = -40 - 30 * np.log10(np.maximum(distances, 1)) + rng.normal(0, 2, distances.shape)
received = pd.DataFrame(strengths).where(strengths > -85).add_prefix("transmitter ")
table = received.fillna(-85)
print(f"{len(table)} rows, {received.isna().to_numpy().mean():.0%} of the signals not received")

# %%
# Three embeddings
# ----------------
# Scaling is not necessary, because all columns have the same unit.

reducers = {
    "PCA": PCA(2, random_state=0),
    "VAE": VAETransformer(n_components=2, random_state=0),
    "t-SNE": TSNE(max_iter=500, random_state=0),
}
embeddings = {name: reducer.fit_transform(table) for name, reducer in reducers.items()}

figure, axes = plt.subplots(2, 2, figsize=(7, 5), layout="constrained")
for ax, (name, points) in zip(axes.flat, {"places": places, **embeddings}.items(), strict=True):
    ax.scatter(*points.T, s=9, c=places[:, 0], cmap="turbo")
    ax.set(title=name, xticks=[], yticks=[])
plt.show()

# %%
# The place of each row is predicted from the mean of its five nearest neighbours in the embedding,
# by cross-validation. Half of the rows are predicted with a smaller error than the median:

for name, Z in {"all columns": table.to_numpy(), **embeddings}.items():
    predicted = cross_val_predict(KNeighborsRegressor(5), Z, places, cv=5)
    errors = np.linalg.norm(predicted - places, axis=1)
    print(f"{name:<11}  {Z.shape[1]:>2} numbers  median error {np.median(errors):.2f} m")

# %%
# PCA lays places that are far from one another on top of each other. t-SNE separates them best, but
# it is only a picture. The VAE can also embed new rows and decode points. UMAP can embed new rows,
# too; if its package is installed, ``umap.UMAP(random_state=0)`` fits into the dictionary above.

new = table[:3] + rng.normal(0, 2, (3, 24))
print(f"the first three rows {np.round(embeddings['VAE'][:3], 2).tolist()}")
print(f"measured again       {np.round(reducers['VAE'].transform(new), 2).tolist()}")

# %%
# Where PCA is enough
# -------------------
# Thirty measurements of 569 tumours, which are benign or malignant. The classes lie apart along one
# straight line, so that a nonlinear embedding gains little. Accuracy of the ten nearest neighbours,
# by cross-validation:

X, y = load_breast_cancer(return_X_y=True)
reducers = {
    "PCA": make_pipeline(StandardScaler(), PCA(2, random_state=0)),
    "VAE": VAETransformer(n_components=2, max_epochs=60, random_state=0),
}
for name, reducer in reducers.items():
    accuracy = cross_val_score(KNeighborsClassifier(10), reducer.fit_transform(X), y, cv=5).mean()
    print(f"{name}  accuracy {accuracy:.3f}")
