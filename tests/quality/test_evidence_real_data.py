"""Evidence on the published labels of rcv1sub1, of which one half is one column off, and on their repair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import mlkit
from mlkit.quality import label_pair_issues, row_order_scan


@pytest.fixture(scope="module")
def rcv1(load_dataset):
    return load_dataset("rcv1sub1")


@pytest.fixture(scope="module")
def published(rcv1):
    indices, indptr = rcv1.extra["Ypub_indices"], rcv1.extra["Ypub_indptr"]
    return csr_matrix((np.ones(indices.size, np.int64), indices, indptr), shape=rcv1.Y.shape)


def audit(rcv1, labels, probs=None, **options):
    return mlkit.audit(
        labels,
        rcv1.extra["oof_probs"] if probs is None else probs,
        label_names=rcv1.extra["label_names"],
        hierarchy=rcv1.extra["label_parent"],
        **options,
    )


def test_the_first_lines_on_the_published_labels_tell_the_whole_story(rcv1, published):
    lines = repr(audit(rcv1, published)).splitlines()
    assert lines[1].startswith(
        "  ! break near row 3,000: labels shifted by +1 (1 column) after it; "
        "each column holds there what its neighbour on the right held before"
    )
    assert lines[2].startswith("  ! 7,354 labels are given without their parent (orphans), in ")
    assert lines[2].endswith("all of them in rows 3,000 to 5,999")


def test_the_labels_alone_show_the_shift(rcv1, published):
    found = row_order_scan(published)
    assert found[["row", "lag"]].to_numpy().tolist() == [[3000, 1]]
    assert found["n_labels"][0] >= 47  # what a deviation of three standard errors finds
    assert (found["lag_first"][0], found["lag_last"][0]) == (0, 99)


def test_swaps_lie_in_one_half_each_by_their_direction(rcv1, published):
    """Counted before with cleanlab's default flags: 113 rows and 111."""
    found = label_pair_issues(published, rcv1.extra["oof_probs"], filter_by="prune_by_noise_rate")
    first = {(a, b): (n, low, high) for a, b, n, low, high in found.head(2)[
        ["label_a", "label_b", "count", "first_row", "last_row"]].itertuples(index=False)}  # fmt: skip
    assert first[32, 33][0] == 113
    assert first[32, 33][1] >= 3000
    assert first[33, 32][0] == 111
    assert first[33, 32][2] < 3000


def test_repaired_labels_break_in_the_topic_that_is_lost_and_nowhere_else(rcv1):
    assert row_order_scan(rcv1.Y)["labels"].tolist() == [[0]]
    unknown = np.zeros(rcv1.Y.shape, bool)
    unknown[3000:, 0] = True
    assert len(row_order_scan(rcv1.Y, unknown=unknown)) == 0


def test_old_probabilities_for_repaired_labels_are_called_fitted_to_others(rcv1, published):
    result = audit(rcv1, rcv1.Y)
    assert result.trust["kind"][0] == "other_labels"
    assert result.trust["text"][0].startswith("probabilities were fitted to other labels than these: ")
    assert result.evidence["kind"].tolist() == ["break"]
    assert "'C11'" in result.evidence["text"][0]
    assert "other_labels" not in audit(rcv1, published).trust["kind"].tolist()


@pytest.fixture(scope="module")
def new_probs(rcv1):
    """Out-of-fold probabilities of the repaired labels: regularised least squares on the singular vectors of the
    terms, each label's margin calibrated out of fold."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import KFold, cross_val_predict

    features = TruncatedSVD(200, random_state=0).fit_transform(rcv1.X)  # knows nothing of labels
    labels = np.asarray(rcv1.Y.todense())
    folds = KFold(5, shuffle=True, random_state=0)
    margins = cross_val_predict(Ridge(1.0), features, labels, cv=folds)
    probs = np.zeros(labels.shape)
    for j in np.flatnonzero(labels.sum(axis=0) >= 10):
        calibrate = LogisticRegression(C=1e4)
        column = cross_val_predict(calibrate, margins[:, [j]], labels[:, j], cv=folds, method="predict_proba")
        probs[:, j] = column[:, 1]
    return probs


def test_repaired_labels_with_new_probabilities_name_the_lost_topic_alone(rcv1, new_probs):
    result = audit(rcv1, rcv1.Y, new_probs)
    assert result.evidence["kind"].tolist() == ["break"]
    assert "1 label is given at another rate after it ('C11'; " in result.evidence["text"][0]
    assert "other_labels" not in result.trust["kind"].tolist()


def test_with_the_lost_half_of_that_topic_unknown_nothing_is_left(rcv1, new_probs):
    unknown = np.zeros(rcv1.Y.shape, bool)
    unknown[3000:, 0] = True
    result = audit(rcv1, rcv1.Y, new_probs, unknown=unknown)
    assert len(result.evidence) == 0
