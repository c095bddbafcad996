"""The reference of the label-quality room gives the peer's very answers in its compatible mode."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("cleanlab")

from cleanlab.count import calibrate_confident_joint, compute_confident_joint, get_confident_thresholds
from cleanlab.multilabel_classification import dataset as peer_dataset
from cleanlab.multilabel_classification import filter as peer_filter
from cleanlab.multilabel_classification import rank as peer_rank

from reference import quality as oracle

pytestmark = pytest.mark.peer

SETTINGS = [(1.0, 1), (0.5, 1), (0.1, 0), (0.93, 3), (1.0, 6), (1.3, 1)]  # frac_noise, min_examples_per_class
SINGLE_VALUE_RAISES = ("predicted_neq_given", *oracle.LOW_FILTERS)


# ---------------------------------------------------------------------------------------------------------------- data


class Data(NamedTuple):
    labels: np.ndarray
    probs: np.ndarray

    @property
    def lists(self) -> list[list[int]]:
        return [np.flatnonzero(row == 1).tolist() for row in self.labels]

    def columns(self, keep: np.ndarray) -> Data:
        return Data(self.labels[:, keep], self.probs[:, keep])


def smooth(rng: np.random.Generator, n: int, n_labels: int) -> np.ndarray:
    logits = rng.normal(rng.normal(-1.0, 1.0, n_labels), rng.uniform(0.5, 3.0), (n, n_labels))
    return 1 / (1 + np.exp(-logits))


def noisy_labels(rng: np.random.Generator, probs: np.ndarray) -> np.ndarray:
    labels = rng.random(probs.shape) < probs
    return (labels ^ (rng.random(probs.shape) < rng.uniform(0, 0.3))).astype(np.int8)


def with_odd_labels(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Give the first labels no positive, one, a few, and one negative."""
    n = len(labels)
    for label, n_positive in enumerate((0, 1, min(3, n - 1), n - 1)[: labels.shape[1] - 1]):
        labels[:, label] = 0
        labels[rng.choice(n, n_positive, replace=False), label] = 1
    return labels


def make_data(kind: str, seed: int, n_labels: int = 6) -> Data:
    rng = np.random.default_rng([seed, *kind.encode()])
    n = int(rng.integers(2, 9)) if kind.startswith("tiny") else int(rng.integers(20, 200))
    probs = smooth(rng, n, n_labels)
    labels = with_odd_labels(rng, noisy_labels(rng, probs))
    if kind == "rounded":
        probs = probs.round(int(rng.integers(1, 3)))
    elif kind == "saturated":
        probs = np.where(rng.random(probs.shape) < 0.7, probs.round(), probs)
    elif kind == "extreme":
        tiny = 10.0 ** -rng.integers(5, 40, probs.shape)
        probs = np.where(rng.random(probs.shape) < 0.4, tiny, np.where(rng.random(probs.shape) < 0.2, 1 - tiny, probs))
    elif kind == "outside":
        probs = np.where(rng.random(probs.shape) < 0.3, probs.round() + rng.uniform(-9e-7, 9e-7, probs.shape), probs)
    elif kind == "half32":
        probs = 0.5 + rng.uniform(-2e-6, 2e-6, probs.shape)
    elif kind == "small32":
        probs = rng.uniform(0, 1e-5, probs.shape)
    dtype = {"16": np.float16, "32": np.float32}.get(kind[-2:], np.float64)
    return Data(labels, probs.astype(dtype))


TIE_FREE = ("smooth", "tiny")
WITH_TIES = ("rounded", "saturated", "extreme", "outside", "smooth16", "smooth32", "tiny32", "half32", "small32")
KINDS = TIE_FREE + WITH_TIES


# ------------------------------------------------------------------------------------------------------------ the peer


@contextlib.contextmanager
def quiet_peer() -> Iterator[None]:
    """Silence the warnings that the peer gives for rare labels, for unused options and for its own old argument."""
    with warnings.catch_warnings():
        for message in (
            "May not flag all label issues",
            "frac_noise and num_to_remove_per_class parameters",
            "The multi_label argument to filter.find_label_issues",
            "The supplied `confident_joint` is ignored",
            "invalid value encountered in (divide|cast)",
            "divide by zero encountered",
        ):
            warnings.filterwarnings("ignore", message=message)
        yield


@pytest.fixture
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the peer from starting a pool of processes where it takes no n_jobs."""
    monkeypatch.setattr("multiprocessing.cpu_count", lambda: 1)
    with contextlib.suppress(ImportError):
        monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 1)


def peer_cell_flags(data: Data, **options: Any) -> np.ndarray:
    with quiet_peer():
        return peer_filter.find_multilabel_issues_per_class(data.lists, data.probs, **one_process(options))


def peer_row_flags(data: Data, **options: Any) -> np.ndarray:
    with quiet_peer():
        return peer_filter.find_label_issues(data.lists, data.probs, **one_process(options))


def one_process(options: dict[str, Any]) -> dict[str, Any]:
    return options if options.get("low_memory") else {"n_jobs": 1, **options}


def both_values(data: Data) -> np.ndarray:
    return (data.labels == 0).any(axis=0) & (data.labels == 1).any(axis=0)


def settings_for(filter_by: str) -> list[tuple[float, int]]:
    return SETTINGS if filter_by in oracle.PRUNE_FILTERS else SETTINGS[:1]


def tie_keys(data: Data, filter_by: str, label: int) -> np.ndarray:
    """Return what the cells of a label are sorted by: equal keys are interchangeable in the peer."""
    q = oracle.two_columns(data.probs[:, label], "cleanlab")
    given = data.labels[:, label]
    if filter_by in oracle.LOW_FILTERS:
        return oracle.side_scores(given, q, filter_by[4:], "cleanlab")
    if filter_by == "prune_by_class":
        return oracle.picked(q, given)
    return oracle.picked(q, given) - oracle.picked(q, 1 - given)


def assert_same_cells(data: Data, ours: np.ndarray, theirs: np.ndarray, filter_by: str) -> None:
    """Compare flags up to the choice among equal keys at the cut: per label and side, for the low filters per label.

    The count is the same too, except for "both", which intersects two such choices.
    """
    for label in range(data.labels.shape[1]):
        keys = tie_keys(data, filter_by, label)
        sides = [data.labels[:, label] >= 0] if filter_by in oracle.LOW_FILTERS else None
        for side in sides or [data.labels[:, label] == 0, data.labels[:, label] == 1]:
            assert_same_up_to_ties(ours[side, label], theirs[side, label], keys[side])
            if filter_by != "both":
                assert ours[side, label].sum() == theirs[side, label].sum()


def assert_same_up_to_ties(ours: np.ndarray, theirs: np.ndarray, keys: np.ndarray) -> None:
    assert len(np.unique(keys[ours != theirs])) <= 1


# --------------------------------------------------------------------------------------------------------------- tests


def compare_thresholds_and_joints(kind: str, seed: int) -> int:
    data = make_data(kind, seed)
    data.labels[:, 0] = seed % 2  # all positives are welcome here
    ours = oracle.confident_thresholds(data.labels, data.probs, compat="cleanlab")
    np.testing.assert_array_equal(ours, get_confident_thresholds(data.lists, data.probs, multi_label=True))
    for calibrate in (False, True):
        joint = oracle.confident_joint(data.labels, data.probs, ours, compat="cleanlab", calibrate=calibrate)
        theirs = compute_confident_joint(data.lists, data.probs, multi_label=True, calibrate=calibrate)
        np.testing.assert_array_equal(joint, theirs)
    return data.labels.shape[1]


@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_and_joints_equal_the_peer(kind: str) -> None:
    assert sum(compare_thresholds_and_joints(kind, seed) for seed in range(25)) == 150


def test_calibration_equals_the_peer_where_halves_decide() -> None:
    rng = np.random.default_rng(3)
    for _ in range(4000):
        joint = rng.integers(0, 12, (2, 2))
        sizes = rng.integers([0, 1], 40)
        theirs = calibrate_confident_joint(np.asfortranarray(joint), np.repeat([0, 1], sizes))
        np.testing.assert_array_equal(oracle.calibrated(joint, *sizes.tolist()), theirs)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_veto_is_decided_by_the_last_bit_as_in_the_peer(dtype: type) -> None:
    for centre, value in ((0.5 + 5e-7, 0), (0.5 - 5e-7, 1)):
        steps = np.arange(-300, 301) * np.spacing(dtype(centre))
        probs = np.append(dtype(centre) + steps.astype(dtype), dtype(0.5)).astype(dtype)[:, None]
        labels = np.full(probs.shape, value, dtype=np.int8)
        labels[-1] = 1 - value  # the peer wants both values
        ours = oracle.cell_flags(labels, probs, filter_by="predicted_neq_given", compat="cleanlab")
        theirs = peer_cell_flags(Data(labels, probs), filter_by="predicted_neq_given")
        np.testing.assert_array_equal(ours, theirs)
        assert 200 < ours.sum() < 400


def compare_cell_flags(kind: str, seed: int) -> int:
    full, n_cases = make_data(kind, seed), 0
    full = full.columns((full.labels == 0).any(axis=0))  # the peer refuses labels without a negative
    for filter_by in oracle.FILTERS:
        data = full.columns(both_values(full)) if filter_by in SINGLE_VALUE_RAISES else full
        for frac_noise, least in settings_for(filter_by):
            options: dict[str, Any] = {"frac_noise": frac_noise, "min_examples_per_class": least}
            ours = oracle.cell_flags(data.labels, data.probs, filter_by=filter_by, compat="cleanlab", **options)
            theirs = peer_cell_flags(data, filter_by=filter_by, **options)
            if kind in TIE_FREE:
                np.testing.assert_array_equal(ours, theirs)
            assert_same_cells(data, ours, theirs, filter_by)
            n_cases += data.labels.shape[1]
    return n_cases


@pytest.mark.parametrize("kind", KINDS)
def test_cell_flags_equal_the_peer(kind: str) -> None:
    assert sum(compare_cell_flags(kind, seed) for seed in range(6)) > 700


@pytest.mark.parametrize("kind", KINDS)
def test_filters_take_a_joint_that_the_caller_brings(kind: str) -> None:
    for seed in range(4):
        data = make_data(kind, seed)
        rng = np.random.default_rng(seed)
        joint = rng.integers(0, 1 + len(data.labels) // 4, (data.labels.shape[1], 2, 2))
        for filter_by, brought in itertools.product(oracle.PRUNE_FILTERS, (joint, joint + rng.random(joint.shape))):
            options: dict[str, Any] = {"filter_by": filter_by, "confident_joint": brought, "frac_noise": 0.8}
            ours = oracle.cell_flags(data.labels, data.probs, compat="cleanlab", **options)
            assert_same_cells(data, ours, peer_cell_flags(data, **options), filter_by)


@pytest.mark.parametrize("kind", TIE_FREE)
@pytest.mark.parametrize("filter_by", oracle.FILTERS)
def test_row_flags_and_their_ranks_equal_the_peer(kind: str, filter_by: str) -> None:
    for seed, method in itertools.product(range(4), oracle.METHODS):
        data = make_data(kind, 50 + seed)
        data = data.columns(both_values(data)) if filter_by == "predicted_neq_given" else data
        ours = oracle.row_flags(data.labels, data.probs, filter_by=filter_by, compat="cleanlab")
        np.testing.assert_array_equal(ours, peer_row_flags(data, filter_by=filter_by))
        if filter_by in oracle.LOW_FILTERS:
            if not mixed(data.labels[ours]):  # the peer refuses to rank these
                continue
            ranks = oracle.peer_ranked_lowest_rows(data.labels, data.probs, method=method)
        else:
            cells = oracle.cell_scores(data.labels, data.probs, method=method, compat="cleanlab")
            ranks = oracle.ranked_rows(ours, oracle.aggregate(cells, aggregator="exponential_moving_average"))
        theirs = peer_row_flags(data, filter_by=filter_by, return_indices_ranked_by=method)
        np.testing.assert_array_equal(ranks, theirs)


def mixed(labels: np.ndarray) -> bool:
    return bool((labels == 0).any() and (labels == 1).any())


@pytest.mark.parametrize("kind", WITH_TIES)
def test_row_ranks_equal_the_peer_up_to_equal_scores(kind: str) -> None:
    for seed, method in itertools.product(range(5), oracle.METHODS):
        if kind == "outside" and method == "confidence_weighted_entropy":
            continue  # the peer refuses to rank these
        data = make_data(kind, seed)
        theirs = peer_row_flags(data, return_indices_ranked_by=method)
        np.testing.assert_array_equal(np.sort(theirs), np.flatnonzero(peer_row_flags(data)))
        cells = oracle.cell_scores(data.labels, data.probs, method=method, compat="cleanlab")
        scores = oracle.aggregate(cells, aggregator="exponential_moving_average")[theirs]
        assert np.all(np.diff(scores) >= -1e-15)


@pytest.mark.parametrize("kind", TIE_FREE)
def test_cell_ranks_equal_the_peer(kind: str) -> None:
    for seed, method, adjusted in itertools.product(range(6), oracle.METHODS, (False, True)):
        if adjusted and method == "confidence_weighted_entropy":
            continue
        data = make_data(kind, seed)
        flags = oracle.cell_flags(data.labels, data.probs, filter_by="prune_by_noise_rate", compat="cleanlab")
        scores = oracle.cell_scores(
            data.labels, data.probs, method=method, adjust_pred_probs=adjusted, compat="cleanlab"
        )
        theirs, given, columns = peer_cell_flags(
            data, return_indices_ranked_by=method, rank_by_kwargs={"adjust_pred_probs": adjusted}
        )
        for label, ranks in enumerate(oracle.ranked_cells(flags, scores)):
            np.testing.assert_array_equal(ranks, theirs[label])
            np.testing.assert_array_equal(data.labels[:, label], given[label])
            np.testing.assert_array_equal(data.probs[:, label], columns[label][:, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_cell_scores_equal_the_peer(kind: str) -> None:
    for seed, method, adjusted in itertools.product(range(20), oracle.METHODS, (False, True)):
        entropy = method == "confidence_weighted_entropy"
        if entropy and (adjusted or kind == "outside"):
            continue  # the peer refuses both
        data = make_data(kind, seed)
        options: dict[str, Any] = {"method": method, "adjust_pred_probs": adjusted}
        ours = oracle.cell_scores(data.labels, data.probs, compat="cleanlab", **options)
        theirs = peer_rank.get_label_quality_scores_per_class(data.lists, data.probs, **options)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


AGGREGATORS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"aggregator": "exponential_moving_average", "alpha": alpha}, {"method": "exponential_moving_average", **given})
    for alpha, given in (
        (0.8, {"alpha": 0.8}),
        (0.0, {"alpha": 0}),
        (1.0, {"alpha": 1}),
        (0.3, {"alpha": 0.3}),
        (None, {}),
    )
]
AGGREGATORS += [
    ({"aggregator": "softmin", "temperature": t}, {"method": "softmin", "temperature": t}) for t in (0.1, 1, 1e-3, 0)
]
AGGREGATORS += [({"aggregator": f.__name__}, {"method": f}) for f in (np.mean, np.min, np.max, np.median)]


@pytest.mark.parametrize(("ours", "theirs"), AGGREGATORS)
def test_row_scores_equal_the_peer(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    ours = {**ours, "aggregator": {"amin": "min", "amax": "max"}.get(ours["aggregator"], ours["aggregator"])}
    for kind, seed, method in itertools.product(KINDS, range(2), oracle.METHODS):
        if kind == "outside" and method == "confidence_weighted_entropy":
            continue  # the peer refuses these
        data = make_data(kind, seed)
        cells = oracle.cell_scores(data.labels, data.probs, method=method, compat="cleanlab")
        scores = peer_rank.get_label_quality_scores(
            data.lists, data.probs, method=method, aggregator_kwargs=dict(theirs)
        )
        np.testing.assert_allclose(oracle.aggregate(cells, **ours), scores, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_to_remove_do_what_they_do_in_the_peer(kind: str) -> None:
    for seed, filter_by in itertools.product(range(5), oracle.PRUNE_FILTERS):
        data = make_data(kind, seed)
        numbers = np.random.default_rng(seed).integers(0, 1 + len(data.labels) // 2, data.labels.shape[1]).tolist()
        options: dict[str, Any] = {"frac_noise": 0.7, "min_examples_per_class": 2, "filter_by": filter_by}
        ours = oracle.numbered_flags(data.labels, data.probs, numbers, **options)
        theirs = peer_cell_flags(data, num_to_remove_per_class=numbers, **options)
        assert_same_cells(data, ours, theirs, filter_by)


@pytest.mark.parametrize("kind", KINDS)
def test_low_memory_flags_equal_the_peer(kind: str) -> None:
    for seed, method in itertools.product(range(10), oracle.METHODS):
        if kind == "outside" and method == "confidence_weighted_entropy":
            continue  # the peer refuses these
        data = make_data(kind, seed)
        data.labels[:, 0] = seed % 2  # all positives are welcome here
        ours = oracle.low_memory_cell_flags(data.labels, data.probs, method=method)
        theirs, _, _ = peer_cell_flags(data, return_indices_ranked_by=method, low_memory=True)
        for label, rows in enumerate(theirs):
            np.testing.assert_array_equal(rows, np.sort(rows))  # not by severity, whatever is asked for
            flags = np.isin(np.arange(len(data.labels)), rows)
            if kind in TIE_FREE:
                np.testing.assert_array_equal(ours[:, label], flags)
            q = oracle.two_columns(data.probs[:, label], "cleanlab")
            keys = oracle.side_scores(data.labels[:, label], q, method, "cleanlab")
            assert_same_up_to_ties(ours[:, label], flags, keys)
        if kind in TIE_FREE:
            rows = oracle.low_memory_row_flags(data.labels, data.probs)
            np.testing.assert_array_equal(rows, peer_row_flags(data, low_memory=True))


def test_low_memory_flags_over_several_batches_equal_the_peer() -> None:
    rng = np.random.default_rng(7)
    for dtype in (np.float64, np.float32):
        probs = smooth(rng, 25_000, 2).astype(dtype)
        data = Data(noisy_labels(rng, probs), probs)
        data.labels[:12_000, 1] = 0  # no positive in the first batch
        theirs = peer_cell_flags(data, low_memory=True)
        assert_same_cells(data, oracle.low_memory_cell_flags(*data), theirs, "low_self_confidence")


@pytest.mark.usefixtures("_one_process")
@pytest.mark.parametrize("kind", TIE_FREE)
def test_summaries_equal_the_peer(kind: str) -> None:
    for seed in range(8):
        data = make_data(kind, seed)
        flags = oracle.cell_flags(data.labels, data.probs, filter_by="prune_by_noise_rate", compat="cleanlab")
        with quiet_peer():
            summary = peer_dataset.multilabel_health_summary(data.lists, data.probs, verbose=False)
        assert summary["overall_multilabel_health_score"] == oracle.health_score(flags.any(axis=1))
        for ours, frame, key in (
            (
                oracle.common_multilabel_issues(data.labels, flags),
                summary["common_multilabel_issues"],
                "Issue Probability",
            ),
            (oracle.rank_classes(data.labels, flags), summary["classes_by_multilabel_quality"], "Label Quality Score"),
        ):
            assert list(ours) == list(frame.columns)
            np.testing.assert_array_equal(ours[key], frame[key])
            rows = {tuple(row) for row in zip(*(column.tolist() for column in ours.values()))}
            assert rows == {tuple(row) for row in zip(*(frame[name].tolist() for name in frame))}


# ---------------------------------------------------------------------------------------- our definition beside theirs


@pytest.mark.parametrize("filter_by", oracle.FILTERS)
def test_our_definition_is_the_peers_on_smooth_doubles(filter_by: str) -> None:
    for seed in range(10):
        data = make_data("smooth", seed)
        ours = oracle.cell_flags(*data, filter_by=filter_by)
        np.testing.assert_array_equal(ours, oracle.cell_flags(*data, filter_by=filter_by, compat="cleanlab"))


@pytest.mark.parametrize("filter_by", oracle.FILTERS)
@pytest.mark.parametrize("value", [0, 1])
def test_a_label_with_one_value_runs_and_has_no_flags_of_the_confident_rules(filter_by: str, value: int) -> None:
    probs = make_data("smooth", 3).probs
    labels = np.full(probs.shape, value, dtype=np.int8)
    flags = oracle.cell_flags(labels, probs, filter_by=filter_by)
    assert flags.any() == (filter_by == "predicted_neq_given")


@pytest.mark.parametrize("filter_by", oracle.FILTERS)
def test_unknown_cells_take_no_part(filter_by: str) -> None:
    data = make_data("rounded", 11, n_labels=1)
    rng = np.random.default_rng(0)
    at = np.sort(rng.choice(2 * len(data.labels), len(data.labels), replace=False))
    labels = np.full((2 * len(data.labels), 1), -1, dtype=np.int8)
    probs = rng.random(labels.shape)
    labels[at], probs[at] = data.labels, data.probs
    flags = oracle.cell_flags(labels, probs, filter_by=filter_by)
    np.testing.assert_array_equal(flags[at], oracle.cell_flags(*data, filter_by=filter_by))
    assert flags.sum() == flags[at].sum()
    np.testing.assert_array_equal(oracle.confident_thresholds(labels, probs), oracle.confident_thresholds(*data))
    scores = oracle.cell_scores(labels, probs, method="self_confidence")
    np.testing.assert_array_equal(np.isnan(scores), labels < 0)
    np.testing.assert_array_equal(np.isnan(oracle.aggregate(scores, aggregator="softmin")), labels[:, 0] < 0)


def test_equal_keys_go_by_row() -> None:
    probs = np.array([[0.9], [0.9], [0.9], [0.1], [0.1], [0.9], [0.9]])
    labels = np.array([[0], [0], [0], [0], [0], [1], [1]], dtype=np.int8)
    joint = np.array([[[3, 2], [0, 2]]])
    flags = oracle.cell_flags(labels, probs, filter_by="prune_by_noise_rate", confident_joint=joint)
    assert flags[:, 0].tolist() == [True, True, False, False, False, False, False]


def test_our_entropy_score_has_no_wrong_ends() -> None:
    p = np.array([1.0, 1 - 1e-12, 1 - 1e-8, 0.999, 0.5, 1e-3, 1e-8, 1e-12, 1e-300, 0.0])
    scores = oracle.cell_scores(np.ones((10, 1), np.int8), p[:, None], method="confidence_weighted_entropy")[:, 0]
    assert scores[0] == 1.0
    assert scores[-1] == 0.0
    assert np.all(np.diff(scores) < 0)
    theirs = oracle.cell_scores(
        np.ones((3, 1), np.int8), p[3:6, None], method="confidence_weighted_entropy", compat="cleanlab"
    )
    np.testing.assert_allclose(scores[3:6], theirs[:, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"aggregator": "exponential_moving_average"}, 0.452),
        ({"aggregator": "exponential_moving_average", "alpha": None}, 0.575),
        ({"aggregator": "k_smallest", "k": 2}, 0.5),
        ({"aggregator": "k_smallest", "k": 9}, 1.9 / 3),
        ({"aggregator": "median"}, 0.6),
        ({"aggregator": "log"}, np.log([0.4, 0.9, 0.6]).mean()),
    ],
)
def test_aggregators_on_numbers_done_by_hand(options: dict[str, Any], expected: float) -> None:
    result = oracle.aggregate(np.array([[0.4, np.nan, 0.9, 0.6], [np.nan] * 4]), **options)
    np.testing.assert_allclose(result, [expected, np.nan], atol=1e-7)
