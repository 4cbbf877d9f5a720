"""The doctor's audit of telemetry: each figure with a plain sentence on what it means for discovery."""

from __future__ import annotations

import numpy as np

from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.moments import near_duplicates, pairwise_correlation
from causaldisc.runner.finding import Finding

_DRIFT = 4.0


def audit(telemetry: Telemetry) -> tuple[Finding, ...]:
    """Return the findings about T rows and N variables."""
    varying = telemetry.select(np.flatnonzero(~telemetry.constant)) if not telemetry.constant.all() else None
    findings = [_shape(telemetry), _steps(telemetry), _missing(telemetry), _constants(telemetry), _roles(telemetry)]
    if varying is not None:
        correlation, _ = pairwise_correlation(varying.values, varying.environments)
        persistence = lag_one(varying)
        findings += [
            _duplicates(varying, correlation),
            _rank(varying, correlation),
            _persistence(varying, persistence),
            _effective_rows(varying, persistence),
            _drift(varying, persistence),
        ]
    return (*findings, _not_claimed())


def lag_one(telemetry: Telemetry) -> np.ndarray:
    """float[N]: lag-1 autocorrelation within environments, over the pairs of rows where both values are there; NaN without."""
    values = np.array(telemetry.values)
    for label in np.unique(telemetry.environments):
        rows = telemetry.environments == label
        count = (~np.isnan(values[rows])).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            values[rows] -= np.nansum(values[rows], axis=0) / count
    before, after = values[:-1], values[1:]
    both = ~np.isnan(before) & ~np.isnan(after) & (np.diff(telemetry.environments) == 0)[:, None]
    before, after = np.where(both, before, 0.0), np.where(both, after, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (before * after).sum(axis=0) / np.sqrt((before**2).sum(axis=0) * (after**2).sum(axis=0))


def effective_rows(rows: np.ndarray | float, first: np.ndarray | float, second: np.ndarray | float) -> np.ndarray:
    """Bartlett's effective number of rows for the correlation of two AR(1) series with these lag-1 autocorrelations.

    >>> float(effective_rows(1000, 0.0, 0.9)), round(float(effective_rows(1000, 0.9, 0.9)), 1)
    (1000.0, 105.0)
    """
    product = np.clip(np.asarray(first) * np.asarray(second), -0.999999, 0.999999)
    return np.asarray(rows) * (1 - product) / (1 + product)


def _shape(telemetry: Telemetry) -> Finding:
    rows, columns = telemetry.shape
    environments = len(np.unique(telemetry.environments))
    thin = rows < 10 * columns
    meaning = (
        "Under ten rows a variable: tests with many conditions have little power."
        if thin
        else "Enough rows for the number of variables."
    )
    return Finding(
        "size", f"{rows} rows, {columns} variables, {environments} environment(s)", "warning" if thin else "ok", meaning
    )


def _steps(telemetry: Telemetry) -> Finding:
    gaps = np.diff(telemetry.times)[np.diff(telemetry.environments) == 0]
    odd = float(np.mean(np.abs(gaps - telemetry.step_seconds) > 0.01 * telemetry.step_seconds)) if gaps.size else 0.0
    text = f"median {telemetry.step_seconds:g} s, {odd:.1%} of the steps differ"
    if odd == 0:
        return Finding("step", text, "ok", "Rows are evenly spaced, so a lag of k rows is k steps.")
    meaning = "Lags count rows: where a step differs, a lag means another time; resample to an even step for lagged methods."
    return Finding("step", text, "warning" if odd > 0.01 else "note", meaning)


def _missing(telemetry: Telemetry) -> Finding:
    share = telemetry.missing.mean(axis=0)
    total = float(telemetry.missing.mean())
    if total == 0:
        return Finding("missing values", "none", "ok", "Every test uses every row.")
    worst = int(np.argmax(share))
    text = f"{total:.1%}, most in {telemetry.names[worst]} ({share[worst]:.1%})"
    meaning = "Correlations use the rows where both values are there; that is sound when gaps are unrelated to the values."
    return Finding("missing values", text, "warning" if share[worst] > 0.5 else "note", meaning)


def _constants(telemetry: Telemetry) -> Finding:
    flat = [name for name, constant in zip(telemetry.names, telemetry.constant, strict=True) if constant]
    meaning = "They stay isolated nodes: nothing can be learned about them." if flat else "Every column varies."
    return Finding("constant columns", flat, "note" if flat else "ok", meaning)


def _roles(telemetry: Telemetry) -> Finding:
    unknown = [v.name for v in telemetry.variables if v.role == "other"]
    meaning = (
        "Call rules and globs by role do not reach them; set the role in the metadata." if unknown else "Every metric has a role."
    )
    return Finding("unknown roles", unknown, "note" if unknown else "ok", meaning)


def _duplicates(telemetry: Telemetry, correlation: np.ndarray) -> Finding:
    groups = [" = ".join(telemetry.names[k] for k in group) for group in near_duplicates(correlation)]
    if not groups:
        return Finding("near-duplicates", [], "ok", "No two columns are the same up to scale.")
    meaning = "No test can tell them apart (|r| > 1 - 1e-6): an edge to one may as well be an edge to the other."
    return Finding("near-duplicates", groups, "warning", meaning)


def _rank(telemetry: Telemetry, correlation: np.ndarray) -> Finding:
    eigenvalues = np.linalg.eigvalsh(correlation)
    n = len(eigenvalues)
    rank = int((eigenvalues > n * 1e-9).sum())
    text = (
        f"{rank} of {n}, condition number {eigenvalues[-1] / max(eigenvalues[0], 1e-300):.3g}"
        if eigenvalues[0] > 0
        else f"{rank} of {n}"
    )
    if (eigenvalues < -n * 1e-9).any():
        meaning = "Gaps make the matrix indefinite: correlations come from different rows; it is repaired before use."
        return Finding("rank of the correlations", text, "note", meaning)
    if rank < n:
        meaning = (
            "Some columns are exact combinations of others (a total beside its parts?): tests given all of them are undefined."
        )
        return Finding("rank of the correlations", text, "warning", meaning)
    return Finding("rank of the correlations", text, "ok", "No column is an exact linear combination of others.")


def _persistence(telemetry: Telemetry, persistence: np.ndarray) -> Finding:
    median = float(np.nanmedian(persistence)) if not np.isnan(persistence).all() else float("nan")
    worst = telemetry.names[int(np.nanargmax(persistence))] if not np.isnan(persistence).all() else "-"
    high = median > 0.3
    meaning = (
        "Rows repeat much of the row before: plain tests find too many edges; use lags (pcmci) or a corrected test."
        if high
        else "A typical row says little about the next."
    )
    return Finding("lag-1 autocorrelation", f"median {median:.3f}, highest in {worst}", "warning" if high else "ok", meaning)


def _effective_rows(telemetry: Telemetry, persistence: np.ndarray) -> Finding:
    rows = (~telemetry.missing).sum(axis=0).astype(float)
    rho = np.nan_to_num(persistence)
    pairs = effective_rows(np.minimum(rows[:, None], rows[None, :]), rho[:, None], rho[None, :])
    typical = (
        float(np.median(pairs[~np.eye(len(rows), dtype=bool)]))
        if len(rows) > 1
        else float(effective_rows(rows[0], rho[0], rho[0]))
    )
    typical = min(typical, float(telemetry.shape[0]))
    share = typical / telemetry.shape[0]
    meaning = (
        f"A correlation of two typical columns carries the evidence of so many independent rows, {share:.0%} of those recorded."
    )
    return Finding("effective rows", round(typical), "warning" if typical < 50 else "note" if share < 0.5 else "ok", meaning)


def _drift(telemetry: Telemetry, persistence: np.ndarray) -> Finding:
    """Compare the means of the halves of the longest environment, with the standard error that autocorrelation leaves."""
    labels, counts = np.unique(telemetry.environments, return_counts=True)
    part = telemetry.values[telemetry.environments == labels[np.argmax(counts)]]
    early, late = part[: len(part) // 2], part[len(part) // 2 :]
    drifting = []
    for k, name in enumerate(telemetry.names):
        a, b = early[~np.isnan(early[:, k]), k], late[~np.isnan(late[:, k]), k]
        if len(a) < 5 or len(b) < 5:
            continue
        rho = float(np.clip(np.nan_to_num(persistence[k]), 0.0, 0.999))
        error = np.sqrt((a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)) * (1 + rho) / (1 - rho))
        if abs(b.mean() - a.mean()) > _DRIFT * error:
            drifting.append(name)
    meaning = (
        "Their means in the two halves are over 4 standard errors apart: a trend or a change, which passes for dependence."
        if drifting
        else "No mean drifts between the halves by over 4 standard errors; that is a hint of stationarity, no proof."
    )
    return Finding("drifting means", drifting, "warning" if drifting else "ok", meaning)


def _not_claimed() -> Finding:
    meaning = "Hidden causes, faithfulness and var-sortability cannot be judged without the truth; nothing is claimed about them."
    return Finding("not audited", "what needs the truth", "note", meaning)
