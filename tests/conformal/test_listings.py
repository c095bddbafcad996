"""Label sets written out as arrays are those that the regions go through, and never fewer without a word."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from mlkit.conformal import LabelPowersetConformalClassifier

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")


def regions_of(score, level=0.9, n_labels=7, n=12, kind=np.asarray, **options):
    rng = np.random.default_rng(n_labels)
    probs = rng.beta(0.4, 0.9, (300 + n, n_labels))
    probs[probs < 0.1] = 0
    labels = (rng.random(probs.shape) < probs).astype(int)
    clf = LabelPowersetConformalClassifier(score=score, confidence_level=level, random_state=0, **options)
    clf.fit_proba(probs[:100], labels[:100]).conformalize_proba(probs[100:300], labels[100:300])
    return clf.predict_region_proba(kind(probs[300:]))


def rows_of(sets, n_labels):
    rows = np.zeros((len(sets), n_labels), bool)
    for row, labels in zip(rows, sets):
        row[list(labels)] = True
    return rows


@pytest.mark.parametrize("score", ["log", "l1", "linf", "hamming", "mahalanobis", "pair_unseen"])
@pytest.mark.parametrize("level", [0.2, 0.9, 0.999])  # empty regions, some sets, all sets
@pytest.mark.parametrize("max_sets", [None, 1, 5, 128])
def test_arrays_hold_the_sets_of_each_region_in_order(score, level, max_sets):
    regions = regions_of(score, level)
    dense, bits = regions.to_numpy(max_sets), regions.to_bitsets(max_sets)
    assert dense.offsets[0] == 0
    assert dense.offsets[-1] == len(dense.sets) == len(dense.p_values)
    for i, region in enumerate(regions):
        listed = region.top(200 if max_sets is None else max_sets)
        here = slice(dense.offsets[i], dense.offsets[i + 1])
        assert (dense.sets[here] == rows_of(listed.sets, 7)).all()
        assert (dense.p_values[here] == listed.p_values).all()
        assert dense.truncated[i] == listed.truncated
    assert (bits.offsets == dense.offsets).all()
    assert (bits.p_values == dense.p_values).all()
    assert (bits.truncated == dense.truncated).all()
    assert (bits.sets == (dense.sets << np.arange(7)).sum(axis=1, keepdims=True).astype(np.uint64)).all()
    assert (dense.sets.dtype, bits.sets.dtype) == (bool, np.uint64)
    if max_sets is None:
        assert not dense.truncated.any()
        assert np.diff(dense.offsets).tolist() == regions.size()[0].tolist()


@pytest.mark.parametrize("n_labels", [1, 63, 64, 65, 130])
def test_more_than_64_labels_take_more_words(n_labels):
    regions = regions_of("log", 0.8, n_labels=n_labels, n=5)
    dense, bits = regions.to_numpy(50), regions.to_bitsets(50)
    assert bits.sets.shape == (len(dense.sets), -(-n_labels // 64))
    for row, words in zip(dense.sets, bits.sets.tolist()):
        whole = sum(word << (64 * k) for k, word in enumerate(words))
        assert whole == sum(1 << k for k in np.flatnonzero(row).tolist())


def test_sparse_probabilities_and_smoothing_make_the_same_arrays():
    for options in ({}, {"smoothing": True}):
        a, b = (regions_of("log", kind=kind, **options).to_numpy(20) for kind in (np.asarray, sparse.csr_array))
        assert all((x == y).all() for x, y in zip(a, b))


def test_words_are_those_of_the_single_region():
    regions = regions_of("l1", 0.8)
    bits = regions.to_bitsets()
    for i, region in enumerate(regions):
        assert sorted(bits.sets[bits.offsets[i] : bits.offsets[i + 1], 0]) == sorted(region.to_bitsets())


def test_what_does_not_fit_is_refused_with_its_size():
    regions = regions_of("l1", 0.99, n_labels=60, n=2)
    with pytest.raises(MemoryError, match=r"to_numpy: up to .*e\d+ label sets need .* as a byte for each label"):
        regions.to_numpy()
    with pytest.raises(MemoryError, match=r"to_bitsets: up to .* as bits \(memory_limit is 1.0 kB; max_sets lists"):
        regions.to_bitsets(100, memory_limit=1024)
    assert regions.to_bitsets(100, memory_limit=None).truncated.all()
    with pytest.raises(ValueError, match="max_sets: expected a"):
        regions.to_numpy(0)
    trivial = regions_of("mahalanobis", 0.999, n_labels=21, n=1)
    with pytest.raises(ValueError, match="region: expected at most 1048576 label sets to list with 'mahalanobis'"):
        trivial.to_bitsets()
    assert trivial.to_bitsets(10).truncated.all()
