"""Race `mlkit.conformal` against mulaconf (label-powerset regions) and MAPIE (risk control), in one run on one thread.

    python benchmarks/conformal.py                 # all; some minutes, 4 GB
    python benchmarks/conformal.py --only engines  # one of: regions, engines, risk, explosion
    python benchmarks/conformal.py --no-peer

Peers: mulaconf 0.3.0 with torch 2.13.0 (CPU), MAPIE 1.6.0. Before anything is timed answers are compared: regions of
the peer are those of ours but for float32 rounding; the risk at our threshold is below the level, and above it at the
next one.
"Regions" asks for certain, excluded and best labels and the exact size of each example's region. The column "wanted"
is what the answer has to be worth: so many times the peer's speed, or so many million sets a second.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mlkit
from mlkit import _core
from mlkit.conformal import LabelPowersetConformalClassifier, MultiLabelRiskController
from mlkit.conformal.scores import Mahalanobis

LEVEL = 0.9
WANTED = {(14, "norm"): 1000, (16, "norm"): 1000, (20, "norm"): 1000}
WANTED |= {(14, "mahalanobis"): 100, (16, "mahalanobis"): 300, (20, "mahalanobis"): 300}


def make(
    n_labels: int, n: int, seed: int = 0, shape: tuple[float, float] = (0.5, 1.2)
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities, and labels whose errors go together (Gaussian copula, correlation .3)."""
    from scipy.special import ndtr

    rng = np.random.default_rng(seed)
    probs = rng.beta(*shape, (n, n_labels))
    noise = np.sqrt(0.3) * rng.normal(size=(n, 1)) + np.sqrt(0.7) * rng.normal(size=probs.shape)
    return probs, (ndtr(noise) < probs).astype(np.int64)


def median_time(call: Callable[[], Any], repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
        if sum(times) > 20:
            break
    return statistics.median(times)


def ask(clf: LabelPowersetConformalClassifier, probs: NDArray[np.float64]) -> NDArray[Any]:
    regions = clf.predict_region_proba(probs)
    _ = regions.certain, regions.excluded, regions.best
    lower, upper, _ = regions.size(exact=True)
    assert (lower == upper).all()
    return lower


def race_regions(with_peer: bool) -> None:
    print(
        "| labels | score | sets in a region | us/example | mulaconf us/example | faster | wanted |\n"
        "|---|---|---|---|---|---|---|"
    )
    for n_labels, n_peer in ((14, 100), (16, 40), (20, 8)):
        probs, labels = make(n_labels, 3500)
        train, cal, test = slice(0, 1000), slice(1000, 1500), slice(1500, 3500)
        for score, measure in (("l2", "norm"), (Mahalanobis(), "mahalanobis")):
            clf = LabelPowersetConformalClassifier(score=score, confidence_level=LEVEL, n_jobs=1)
            clf.fit_proba(probs[train], labels[train]).conformalize_proba(probs[cal], labels[cal])
            new = probs[test] if measure == "norm" else probs[test][:200]
            sizes = ask(clf, new)
            ours = median_time(lambda clf=clf, new=new: ask(clf, new)) / len(new)
            theirs = float("nan")
            if with_peer:
                theirs, peer_sizes = time_mulaconf(probs, labels, (train, cal), new[:n_peer], measure)
                difference = np.abs(peer_sizes - sizes[:n_peer].astype(float)).sum() / peer_sizes.sum()
                assert difference < 0.02, f"{measure}, {n_labels} labels: sizes differ by {difference:.1%}"
            print(
                f"| {n_labels} | {measure} | {sizes.mean():.0f} | {1e6 * ours:.2f} | {1e6 * theirs:.0f} | "
                f"{theirs / ours:,.0f} | {WANTED[n_labels, measure]:,} |",
                flush=True,
            )


def time_mulaconf(
    probs: NDArray[np.float64], labels: NDArray[np.int64], parts: tuple[slice, slice], new: Any, measure: str
) -> tuple[float, NDArray[np.float64]]:
    import torch
    from mulaconf.icp_predictor import InductiveConformalPredictor

    torch.set_num_threads(1)
    train, cal = parts
    icp = InductiveConformalPredictor(probs[train], labels[train], measure=measure)
    icp.calibrate(probs[cal], labels[cal])
    regions = icp.predict(new)
    seconds = median_time(lambda: icp.predict(new), 3)
    return seconds / len(new), (regions.p_values > 1 - LEVEL).sum(dim=1).numpy().astype(float)


def race_engines() -> None:
    print("\n| engine | input | answer | rate | wanted |\n|---|---|---|---|---|")
    costs = np.sort(np.random.default_rng(0).integers(2**30, 2**38, 40))
    budget = int(costs[:14].sum())
    n = _core.conformal.count_one_by_one(costs, budget)
    assert n == _core.conformal.count_in_halves(costs, budget, 1 << 22)
    seconds = median_time(lambda: _core.conformal.count_one_by_one(costs, budget))
    print(f"| enumeration, counted | 40 labels | {n:,} sets | {n / seconds / 1e6:.0f} M sets/s | 300 |")
    bits = np.uint64(1) << np.arange(40, dtype=np.uint64)
    most = min(n, 20_000_000)
    seconds = median_time(lambda: _core.conformal.write_bits(costs, bits, budget, 0, most))
    print(f"| enumeration, written | 40 labels | {most:,} words | {most / seconds / 1e6:.0f} M sets/s | 100 |")
    seconds = median_time(lambda: _core.conformal.ByCost(costs, budget, False).take(1_000_000))
    print(f"| by p-value | 40 labels | 1,000,000 sets | {1 / seconds:.1f} M sets/s | |")
    costs = np.sort(np.random.default_rng(0).integers(2**30, 2**38, 54))
    budget = int(costs.sum()) // 2  # the most that there can be to count
    begin = time.perf_counter()
    n = _core.conformal.count_in_branches(costs, budget, 1)
    print(f"| exact count, the worst | 54 labels | {n:,} sets | {time.perf_counter() - begin:.1f} s | |")
    for n_labels, n, a, b in ((100, 20_000, 0.1, 0.9), (1000, 2_000, 0.01, 0.9)):
        rng = np.random.default_rng(0)
        probs = rng.beta(a, b, (n + 500, n_labels))
        labels = rng.random(probs.shape) < probs
        clf = LabelPowersetConformalClassifier(n_jobs=1).conformalize_proba(probs[:500], labels[:500])
        race_rows(clf, probs[500:], labels[500:].astype(np.int8))
    race_searches()


def race_rows(clf: LabelPowersetConformalClassifier, probs: NDArray[np.float64], truth: NDArray[np.int8]) -> None:
    n, n_labels = probs.shape
    regions = clf.predict_region_proba(probs)
    calls: dict[str, tuple[Callable[[], Any], str, str]] = {
        "probabilities to costs": (lambda: clf.predict_region_proba(probs), "", ""),
        "certain": (lambda: regions[:].certain, "1,000", "100"),
        "flip p-values": (lambda: regions.flip_pvalues, "1,000", "100"),
        "p-values of given sets": (lambda: regions.p_values(truth), "2,000", ""),
        "size with certificate": (regions.size, "10", "0.6"),
    }
    for what, (call, *wanted) in calls.items():
        rate = f"{n / median_time(call, 3) / 1e3:.1f} k examples/s"
        print(f"| {what} | {n_labels} labels | {n:,} examples | {rate} | {wanted[n_labels > 100]} |", flush=True)


def race_searches() -> None:
    probs, labels = make(100, 2000, shape=(0.03, 0.6))
    clf = LabelPowersetConformalClassifier(score=Mahalanobis(), n_jobs=1)
    clf.fit_proba(probs[:900], labels[:900]).conformalize_proba(probs[900:1800], labels[900:1800])
    regions = clf.predict_region_proba(probs[1800:])
    seconds = median_time(lambda: regions[:].certain, 3)
    print(f"| certain, `mahalanobis` | 100 labels | 200 examples | {0.2 / seconds:.1f} k examples/s | 10 |")
    lower, _, exact = regions.size()
    seconds = median_time(regions.size, 1)
    n = int(np.where(exact, lower, 1 << 20).sum())  # no more of a region are gone through
    print(f"| counted, `mahalanobis` | 100 labels | {n:,} sets | {n / seconds / 1e6:.0f} M sets/s | 20 |", flush=True)


def race_risk(with_peer: bool) -> None:
    print("\n| risk control, n = 10,000, 50 labels | ms | MAPIE ms | faster | wanted |\n|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    probs = rng.beta(0.1, 1.5, (10_000, 50))
    labels = (rng.random(probs.shape) < probs).astype(int)
    labels[labels.sum(axis=1) == 0, 0] = 1  # the peer refuses empty rows
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("crc", {}, {"method": "crc"}),
        (
            "rcps",
            {"method": "rcps", "confidence_level": 0.9, "bound": "hoeffding"},
            {"method": "rcps", "confidence_level": 0.9, "rcps_bound": "hoeffding"},
        ),
    ]
    for name, options, peer_options in cases:
        rc = MultiLabelRiskController(risk="fnr", risk_level=0.1, n_jobs=1, **options)
        rc.calibrate_proba(probs, labels)
        at = int(np.searchsorted(rc.risk_curve_.thresholds, rc.thresholds_))
        if name == "crc":
            assert (
                (1e4 * rc.risk_curve_.risks[at] + 1) / 10_001 <= 0.1 < (1e4 * rc.risk_curve_.risks[at + 1] + 1) / 10_001
            )
        ours = median_time(lambda rc=rc: rc.calibrate_proba(probs, labels), 100)
        theirs = float("nan")
        if with_peer:
            from mapie.risk_control import MultiLabelClassificationController

            peer = MultiLabelClassificationController(lambda X: X, risk="recall", target_level=0.9, **peer_options)
            begin = time.perf_counter()
            peer.calibrate(probs, labels)
            theirs = time.perf_counter() - begin
        wanted = "5,000" if name == "crc" else ""
        print(f"| {name} | {1e3 * ours:.2f} | {1e3 * theirs:.0f} | {theirs / ours:,.0f} | {wanted} |", flush=True)
        if name == "crc":
            with_curve = median_time(lambda rc=rc: rc.calibrate_proba(probs, labels).risk_curve_, 100)
            print(f"| and its curve | {1e3 * with_curve:.2f} | | {theirs / with_curve:,.0f} | |")
            rc.set_params(n_jobs=2)
            both = median_time(lambda rc=rc: rc.calibrate_proba(probs, labels), 100)
            print(f"| on two threads | {1e3 * both:.2f} | | {theirs / both:,.0f} | |")
    probs = rng.beta(0.1, 1.5, (100_000, 50))
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    rc = MultiLabelRiskController(n_jobs=1)
    seconds = median_time(lambda: rc.calibrate_proba(probs, labels).risk_curve_)
    print(f"| crc and its curve, n = 100,000 | {1e3 * seconds:.1f} | | | 30 ms |")
    wsr = MultiLabelRiskController(method="rcps", bound="wsr", confidence_level=0.9, n_jobs=1)
    rounded = np.ceil(probs * 1000) / 1000  # a thousand thresholds
    begin = time.perf_counter()
    wsr.calibrate_proba(rounded, labels)
    print(f"| rcps, `wsr`, n = 100,000, 1000 thresholds | {1e3 * (time.perf_counter() - begin):.0f} | | | 500 ms |")


def race_explosion() -> None:
    print("\n| 100 labels, level .999 | sets | ms/example | peak MB more | wanted |\n|---|---|---|---|---|")
    probs, labels = make(100, 3500)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for score, exact in (("l2", False), ("log", False), (Mahalanobis(), False), ("l2", True)):
        clf = LabelPowersetConformalClassifier(score=score, confidence_level=0.999, n_jobs=1)
        clf.fit_proba(probs[:500], labels[:500])
        begin = time.perf_counter()
        new = probs[3490:3492] if exact else probs[3490:]
        regions = clf.conformalize_proba(probs[500:3490], labels[500:3490]).predict_region_proba(new)
        lower, upper, _ = regions.size(exact=exact)
        seconds = time.perf_counter() - begin
        assert all(0 < low <= high for low, high in zip(lower, upper))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        name = score if isinstance(score, str) else "mahalanobis"
        print(
            f"| {name}{', exact=True' if exact else ''} | {float(lower[0]):.3g} to {float(upper[0]):.3g} | "
            f"{1e3 * seconds / len(new):.1f} | {grown:.0f} | 10,000 ms, 500 MB |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="regions, engines, risk or explosion")
    parser.add_argument("--no-peer", action="store_true", help="leave the peers out")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    versions = f"NumPy {np.__version__}, Python {platform.python_version()}"
    print(f"mlkit {mlkit.__version__}, {versions}, {os.cpu_count()} cores\n")
    races: dict[str, Callable[[], None]] = {
        "explosion": race_explosion,  # first: a process does not forget the most memory that it had
        "regions": lambda: race_regions(not options.no_peer),
        "engines": race_engines,
        "risk": lambda: race_risk(not options.no_peer),
    }
    for name, race in races.items():
        if options.only in name:
            race()


if __name__ == "__main__":
    main()
