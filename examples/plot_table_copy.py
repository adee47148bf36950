"""
A synthetic copy of a table
===========================

Customers of a shop: text, dates, yes or no, whole numbers, and amounts of money that are often
zero. A model of the table draws new customers, also those of a kind that you ask for, embeds rows,
and finds customers that contradict themselves.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.metrics import table_quality
from skvae.plotting import ExplanationDisplay, LatentSpaceDisplay, TableQualityDisplay

# %%
# Data
# ----
# The table is invented, but has the habits of real ones: students are young, customers with a
# subscription order more often, who orders nothing spends nothing, and few send anything back. Your
# own table would come from ``pd.read_csv("customers.csv", parse_dates=["joined"])``. The table is
# small, so this page has no short form.

n_rows = 4000
rng = np.random.default_rng(0)
age = np.clip(rng.gamma(6, 7.5, n_rows), 18, 92).astype(int)
occupation = np.select(
    [age > 66, age < 28],
    ["retired", rng.choice(["student", "employed"], n_rows, p=[0.7, 0.3])],
    default=rng.choice(["employed", "self-employed", "at home"], n_rows, p=[0.7, 0.2, 0.1]),
)
subscribed = rng.random(n_rows) < np.where(occupation == "student", 0.1, 0.4)
orders = rng.poisson(np.where(subscribed, 6, 0.9))
spent = orders * rng.gamma(4, np.where(occupation == "student", 5, 12), n_rows)
returned = np.where(rng.random(n_rows) < 0.1, spent * rng.random(n_rows), 0)
days = rng.integers(0, 2500, n_rows)
customers = pd.DataFrame(
    {
        "joined": pd.Timestamp("2019-01-01") + pd.to_timedelta(days, unit="D"),
        "region": rng.choice(["north", "east", "south", "west"], n_rows, p=[0.4, 0.3, 0.2, 0.1]),
        "age": age,
        "occupation": occupation,
        "subscribed": subscribed,
        "orders": orders,
        "spent": spent.round(2),
        "returned": returned.round(2),
    }
)
train, held_out = customers[: n_rows * 3 // 4], customers[n_rows * 3 // 4 :].reset_index(drop=True)
print(train.head().to_string())

# %%
# New customers
# -------------
# The frame goes in as it is, and a frame comes back, with the same columns, types and decimals:

vae = VAETransformer(random_state=0).fit(train)
copy = vae.sample(len(train), random_state=0)
print(copy.head().to_string())

# %%
# How good is the copy?
# ---------------------
# The first two scores compare columns and pairs of columns. The next is 1 if a classifier cannot
# tell drawn rows from real ones. Then a model learns from the copy whether a customer subscribed,
# and is tested on real customers; one that learns from the real rows shows what can be reached. The
# last score would be far above a half if training rows had been memorised.

quality = table_quality(train, copy, target="subscribed", holdout=held_out, random_state=0)
print(f"columns           {quality.shape:.2f}")
print(f"pairs of columns  {quality.trend:.2f}")
print(f"rows              {quality.c2st:.2f}")
print(f"AUROC learned from the copy {quality.tstr:.2f}, from the real rows {quality.trtr:.2f}")
print(f"nearer to training rows     {quality.dcr_share:.2f}")

# %%
# Real rows are blue and drawn ones orange; below are the associations between columns:

TableQualityDisplay.from_tables(train, copy)
plt.show()

# %%
# Customers of a kind
# -------------------
# What do retired customers with a subscription spend? ``given`` fixes columns, and the others are
# drawn from the model given these values:

kind = {"occupation": "retired", "subscribed": True}
drawn = vae.sample(500, given=kind, random_state=0)
real = train[(train["occupation"] == "retired") & train["subscribed"]]
for name in ("orders", "spent"):
    print(f"median {name:<6}  real {real[name].median():.1f}, drawn {drawn[name].median():.1f}")

# %%
# A map
# -----
# The posterior means of the rows are numbers that other methods can use. Their first two principal
# components, coloured by a column of text:

LatentSpaceDisplay.from_estimator(vae, train, train["occupation"])
plt.show()

# %%
# Contradictions
# --------------
# No single value of these three customers is unusual, but their combinations are: retired at 19;
# nothing ordered, but 310 spent; 50 spent, but goods worth 300 sent back.

odd = pd.concat([held_out[:1]] * 3, ignore_index=True)
odd.loc[0, ["age", "occupation"]] = [19, "retired"]
odd.loc[1, ["orders", "spent"]] = [0, 310.0]
odd.loc[2, ["orders", "spent", "returned"]] = [1, 50.0, 300.0]

# %%
# The detector has seen normal customers only. It sets a fifth of them aside, by which it computes
# p-values: at most one in twenty new customers is expected to have a p-value of 0.05 or less.

detector = VAEAnomalyDetector(calibration_fraction=0.2, random_state=0).fit(train)
false_alarms = (detector.p_values(held_out) <= 0.05).mean()
print(f"false alarms: {false_alarms:.3f} of the held-out customers")

# %%
# ``explain`` returns a frame with the value of each cell, the value that the model expects given
# the rest of the row, and by how much the cell lowers the score. The first cell of each row matters
# most:

worst = detector.explain(odd).drop_duplicates("row")
for cell, p_value in zip(worst.itertuples(), detector.p_values(odd), strict=True):
    found = f"{cell.feature} = {cell.value}, expected {cell.expected}"
    print(f"customer {cell.row}: {found}, p-value {p_value:.3f}")

ExplanationDisplay.from_estimator(detector, odd)
plt.show()

# sphinx_gallery_thumbnail_number = 1
