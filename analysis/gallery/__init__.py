"""The figures that a report has, each with a sentence on what to see in it."""

from analysis.gallery.comparison import comparison
from analysis.gallery.hyperparameters import hyperparameters
from analysis.gallery.picture import Picture
from analysis.gallery.pictures import pictures

__all__ = ["Picture", "comparison", "hyperparameters", "pictures"]
