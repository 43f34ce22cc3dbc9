"""The names of the data sets, apart from their loaders, so that a configuration is checked without importing torch."""

from typing import Literal

DatasetName = Literal["mnist", "fashion-mnist", "kmnist"]
FALLBACK = "uci-digits"
FALLBACK_NOTE = "scikit-learn's 1,797 real 8x8 digits (uci-digits) stand in for the data set that was not there"
