"""Where other libraries' numbers differ, and why: each row of the table in docs/metrics.md, run against the library.

The libraries belong to the `bench` extra: without them there is nothing to compare.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from mlkit import metrics

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def tm():
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
    import torchmetrics.functional.classification as functional

    return functional


@pytest.fixture
def nx():
    pytest.importorskip("napkinxc", reason="napkinXC is not installed")
    import napkinxc.metrics

    return napkinxc.metrics


@pytest.fixture
def xm():
    pytest.importorskip("xcolumns", reason="xCOLUMNs is not installed")
    import xcolumns.metrics

    return xcolumns.metrics


def tensors(score, truth):
    import torch

    return torch.tensor(score), torch.tensor(truth), len(truth[0])


def test_torchmetrics_ranking_loss_of_a_tie_depends_on_the_order_of_columns(tm):
    tied = [[0.5, 0.5]]
    assert float(tm.multilabel_ranking_loss(*tensors(tied, [[1, 0]]))) == 1
    assert float(tm.multilabel_ranking_loss(*tensors(tied, [[0, 1]]))) == 0
    for truth in ([[1, 0]], [[0, 1]]):
        assert metrics.label_ranking_loss(np.array(truth), np.array(tied)) == 1


def test_torchmetrics_coverage_counts_all_labels_of_a_row_with_an_ignored_cell(tm):
    score, truth = [[0.9, 0.6, 0.3, 0.1], [0.2, 0.8, 0.4, 0.3]], [[1, -1, 0, 0], [0, 1, 0, 0]]
    assert float(tm.multilabel_coverage_error(*tensors(score, truth), ignore_index=-1)) == 2.5
    assert metrics.coverage_error(np.array(truth), np.array(score)) == 1


def test_torchmetrics_counts_an_undefined_auc_as_zero(tm):
    score, truth = [[0.9, 0.6], [0.2, 0.8]], [[1, 0], [0, 0]]
    assert float(tm.multilabel_auroc(*tensors(score, truth))) == 0.5
    assert np.isnan(metrics.roc_auc_score(np.array(truth), np.array(score)))
    assert metrics.roc_auc_score(np.array(truth), np.array(score), absent_labels="skip") == 1


def test_torchmetrics_takes_all_scores_for_logits_where_one_is_above_one(tm):
    truth = [[1, 1], [0, 1]]
    assert float(tm.multilabel_f1_score(*tensors([[0.9, 1.0], [0.3, 0.6]], truth))) == 1
    assert float(tm.multilabel_f1_score(*tensors([[0.9, 1.2], [0.3, 0.6]], truth))) == pytest.approx(5 / 6)


def test_torchmetrics_predicts_above_the_threshold_not_at_it(tm):
    import mlkit

    score, truth = [[0.5, 0.6]], [[1, 1]]
    assert float(tm.multilabel_recall(*tensors(score, truth), average="micro")) == 0.5
    assert mlkit.evaluate(np.array(truth), np.array(score), k=1)["recall_micro"].value == 1


def test_napkinxc_macro_f1_raises_on_predictions_without_an_error(nx):
    truth = np.array([[1, 0, 0], [0, 1, 0]])
    with pytest.raises(ValueError, match="empty"):
        nx.macro_f1_measure(csr_matrix(truth), csr_matrix(truth))
    assert metrics.f1_score(truth, truth, average="macro", zero_division=0) == pytest.approx(2 / 3)


def test_napkinxc_macro_f1_leaves_out_labels_after_the_last_one_seen(nx):
    assert nx.macro_f1_measure([[0], [1]], [[0], [0]]) == pytest.approx((2 / 3 + 0) / 2)
    truth, predicted = np.array([[1, 0, 0], [0, 1, 0]]), np.array([[1, 0, 0], [1, 0, 0]])
    assert metrics.f1_score(truth, predicted, average="macro", zero_division=0) == pytest.approx(2 / 9)


def test_napkinxc_micro_f1_of_nothing_divides_by_zero(nx):
    with pytest.raises(ZeroDivisionError):
        nx.micro_f1_measure([[], []], [[], []])
    assert metrics.f1_score(np.zeros((2, 3)), np.zeros((2, 3)), average="micro", zero_division=0) == 0


def test_napkinxc_abandonment_is_a_hit_rate(nx):
    ranked, truth = [[0, 2], [2, 0]], [[0], [1]]
    score = np.array([[0.9, 0.1, 0.5], [0.5, 0.1, 0.9]])
    assert nx.abandonment_at_k(truth, ranked, k=1)[0] == 0.5
    assert metrics.hit_rate_at_k(np.array([[1, 0, 0], [0, 1, 0]]), score, 1) == 0.5


def test_xcolumns_adds_an_epsilon_to_denominators(xm):
    truth, predicted = np.array([[1, 0, 1], [0, 1, 0]]), np.array([[1, 0, 0], [0, 1, 0]])
    exact = metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    assert exact == 2 / 3
    assert 1e-8 < exact - xm.macro_f1_score(truth, predicted) < 1e-5


def test_xcolumns_cannot_retrieve_all_labels(xm):
    from xcolumns.weighted_prediction import predict_top_k

    score = np.array([[0.9, 0.1, 0.2], [0.3, 0.8, 0.1]], np.float32)
    with pytest.raises(ValueError, match="kth"):
        predict_top_k(score, 3)
    assert metrics.precision_at_k(np.array([[1, 0, 1], [0, 1, 0]]), score, 3) == pytest.approx(0.5)


@pytest.fixture
def hc():
    pytest.importorskip("hiclass", reason="hiclass is not installed")
    import hiclass.metrics

    return hiclass.metrics


def test_hiclass_divides_by_zero_where_nothing_is_predicted(hc):
    truth, predicted = np.array([["a", "b"], ["a", "c"]]), np.array([["", ""], ["", ""]])
    for function in (hc.precision, hc.f1):
        with pytest.raises(ZeroDivisionError):
            function(truth, predicted)
    with pytest.raises(ZeroDivisionError):  # of the mean over rows one without a prediction is enough
        hc.precision(truth, np.array([["a", "b"], ["", ""]]), average="macro")
    labels, none = np.array([[1, 1, 0], [1, 0, 1]]), np.zeros((2, 3), int)
    for average in ("micro", "samples"):
        assert metrics.precision_score(labels, none, average=average, zero_division=0) == 0
        assert metrics.f1_score(labels, none, average=average, zero_division=0) == 0


def test_scikit_learn_counts_stored_zeros_as_positives():
    from scipy.sparse import csr_array
    from sklearn import metrics as sk

    truth = csr_array((np.array([1, 0, 1]), (np.array([0, 0, 1]), np.array([0, 2, 1]))), shape=(2, 3))
    score = np.array([[0.3, 0.6, 0.9], [0.2, 0.8, 0.1]])
    dense = sk.label_ranking_average_precision_score(truth.toarray(), score)
    assert sk.label_ranking_average_precision_score(truth, score) > dense + 0.2
    assert metrics.label_ranking_average_precision_score(truth, score) == pytest.approx(dense)


def test_scikit_learn_reads_an_indicator_as_one_problem_of_many_classes():
    from sklearn import metrics as sk

    truth, score = np.array([[1, 0, 0], [0, 1, 0]]), np.array([[0.3, 0.6, 0.9], [0.2, 0.8, 0.1]])
    of_cells = -np.log(np.where(truth == 1, score, 1 - score)).mean()
    assert metrics.binary_log_loss(truth, score) == pytest.approx(of_cells)
    assert abs(sk.log_loss(truth, score) - of_cells) > 0.05
