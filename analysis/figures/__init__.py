"""The figures, each a function (numbers, ax) -> ax that only draws: `from analysis import figures`.

Numbers are tables: those of `analysis.tables`, or what a module of `analysis.numbers` makes of them.
"""

from analysis.figures.canvas import default_look  # before all that imports matplotlib

# isort: split
from analysis.figures.axes import sheet
from analysis.figures.curves import accuracy_curves, best_so_far, curves_by_value, losses
from analysis.figures.network import calibration, confusion_matrix, kernels, worst_mistakes
from analysis.figures.parallel import parallel_coordinates
from analysis.figures.times import timeline
from analysis.figures.values import importance_bars, value_panel
from analysis.figures.winners import confirmation_dots, pareto_front

__all__ = [
    "accuracy_curves",
    "best_so_far",
    "calibration",
    "confirmation_dots",
    "confusion_matrix",
    "curves_by_value",
    "default_look",
    "importance_bars",
    "kernels",
    "losses",
    "parallel_coordinates",
    "pareto_front",
    "sheet",
    "timeline",
    "value_panel",
    "worst_mistakes",
]
