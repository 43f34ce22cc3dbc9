"""What a column of a table is, and how rows of plain values become a table whose columns have types."""

from typing import Any, NamedTuple, get_args

import pandas as pd

INTEGER, FLOAT, BOOLEAN, TEXT = "Int64", "float64", "boolean", "string"
TIME, DURATION = "datetime64[us, UTC]", "timedelta64[us]"


class Column(NamedTuple):
    """The contents of a column: its pandas dtype, its unit ("" for none) and its meaning."""

    dtype: str | pd.CategoricalDtype
    unit: str
    meaning: str


def choice(*values: str) -> pd.CategoricalDtype:
    """Return the dtype of a word out of `values`, which tables are sorted and grouped by in this order.

    All values are named beforehand, so that the tables of any two runs have the same dtype. The categories are not
    `ordered` in pandas' sense: no word is more than another.
    """
    return pd.CategoricalDtype(list(values))


def choice_of(literal: Any) -> pd.CategoricalDtype:
    """Return the dtype of a word out of those of a `typing.Literal`."""
    return choice(*get_args(literal))


def frame(rows: list[dict[str, Any]], columns: dict[str, Column]) -> pd.DataFrame:
    """Return a table of exactly `columns`, in which values that a row lacks are missing.

    In rows a time is a Timestamp or the seconds since 1970, and a duration its seconds.
    """
    series = {}
    for name, column in columns.items():
        series[name] = _series([row.get(name) for row in rows], column.dtype)
    return pd.DataFrame(series)


def _series(values: list[Any], dtype: str | pd.CategoricalDtype) -> pd.Series:
    if dtype == TIME:
        return pd.Series(pd.to_datetime(values, unit="s", utc=True)).astype(TIME)
    if dtype == DURATION:
        return pd.to_timedelta(pd.Series(values, dtype=FLOAT), unit="s").astype(DURATION)
    return pd.Series(values, dtype=dtype)
