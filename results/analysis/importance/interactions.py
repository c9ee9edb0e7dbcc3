"""Main effects and two-way interactions of the factors on confirm results, by analysis of variance."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from results.analysis.importance.design import FACTOR_COLUMNS, RESPONSES, varying
from results.analysis.inference.intervals import jackknife, within
from results.analysis.statistics import Floats

_COLUMNS = ["response", "term", "share", "low", "high", "p", "estimable"]

Term = tuple[str, ...]
Codes = NDArray[np.int64]

_BLOCK = "seed"
_ROUNDING = 1e-12
"""Less than this share of the total sum of squares is rounding, not something left to test against."""


def anova(design: pd.DataFrame) -> pd.DataFrame:
    """Return the share of the variance between confirm trials that each factor and pair of factors explains.

    Sums of squares of type II by statsmodels' least squares, with seeds as blocks: a factor is what it adds to the
    other factors, a pair what it adds to all factors. In a balanced design these are the classical ones. In others,
    terms may share what they explain; one that nothing can distinguish from others is marked as not estimable and
    explains 0.

    Args:
        design: As ``confirm_design`` returns it.

    Returns:
        Columns ``response`` (accuracy, worst task, bytes), ``term`` (``placement`` or ``placement x form``), ``share``
        (of the total sum of squares), ``low``, ``high`` (95 %, Student t of the jackknife over seeds, within 0 and 1;
        NaN with fewer than two seeds), ``p`` (F test against what is left; NaN if nothing is) and ``estimable``.
    """
    factors = varying(design, FACTOR_COLUMNS)
    terms: list[Term] = [*((f,) for f in factors), *itertools.combinations(factors, 2)]
    rows = []
    with threadpool_limits(limits=1, user_api="blas"):  # threads cost small fits ten times what they save
        for response in RESPONSES:
            known = design[design[response].notna()]
            y = known[response].to_numpy(dtype=np.float64)
            if len(np.unique(y)) < 2:
                continue
            codes = {name: known[name].factorize(sort=True)[0] for name in (_BLOCK, *factors)}
            table = _Table(y, codes, factors)
            seeds = np.arange(codes[_BLOCK].max() + 1, dtype=np.float64)
            for term in terms:
                whole = _effect(table, term)
                bounds = within(jackknife(partial(_share_of_seeds, table, term), seeds), 0.0, 1.0)
                rows.append(
                    (response, " x ".join(term), whole.share, bounds.low, bounds.high, whole.p, whole.estimable)
                )
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    return frame.astype(dict.fromkeys(("share", "low", "high", "p"), "float64"))


@dataclass(frozen=True)
class _Table:
    """A response (rows,) with the level of every factor and the seed of each row, numbered from 0."""

    y: Floats
    codes: dict[str, Codes]
    factors: tuple[str, ...]

    def only(self, kept: NDArray[np.bool_]) -> _Table:
        return _Table(self.y[kept], {name: own[kept] for name, own in self.codes.items()}, self.factors)


@dataclass(frozen=True)
class _Effect:
    share: float
    p: float
    estimable: bool


def _share_of_seeds(table: _Table, term: Term, seeds: Floats) -> float:
    return _effect(table.only(np.isin(table.codes[_BLOCK], seeds)), term).share


def _effect(table: _Table, term: Term) -> _Effect:
    from scipy import special

    total = float(((table.y - table.y.mean()) ** 2).sum())
    others = tuple((f,) for f in table.factors if len(term) > 1 or f not in term)
    without, left_without = _fit(table, others)
    with_term, left = _fit(table, (*others, term))
    gained = left_without - left
    if gained < 1 or total == 0:
        return _Effect(0.0, float("nan"), gained >= 1)
    square = max(without - with_term, 0.0)
    known = left > 0 and with_term > _ROUNDING * total
    p = float(special.fdtrc(gained, left, square / gained / (with_term / left))) if known else float("nan")
    return _Effect(square / total, p, estimable=True)


def _fit(table: _Table, terms: tuple[Term, ...]) -> tuple[float, int]:
    """Return the residual sum of squares and degrees of freedom of cells of the terms, and seeds as blocks."""
    from statsmodels.regression.linear_model import OLS
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning

    columns = [np.ones((len(table.y), 1)), *(_indicators(table, term) for term in ((_BLOCK,), *terms))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularMatrixWarning)  # its rank is what tells whether a term adds anything
        found: Any = OLS(table.y, np.concatenate(columns, axis=1)).fit()
    return float(found.ssr), round(float(found.df_resid))


def _indicators(table: _Table, term: Term) -> Floats:
    """Return one column per observed combination of levels, but the first; shape (rows, combinations - 1)."""
    codes = np.zeros(len(table.y), dtype=np.int64)
    for name in term:
        codes = codes * (int(table.codes[name].max()) + 1) + table.codes[name]
    return np.asarray(codes[:, None] == np.unique(codes)[1:], dtype=np.float64)
