"""Patches: what they change, what they refuse, and that nothing of them is lost on any road."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from mlkit.labels import LabelMatrix, as_label_matrix
from mlkit.quality import CellPatch
from mlkit.quality._fingerprint import fingerprint

NAMES = ["cat", "dog", "owl"]


def three_valued(n=8, n_labels=3, seed=0):
    labels = np.random.default_rng(seed).integers(-1, 2, (n, n_labels)).astype(np.int8)
    labels[0] = [0, 1, 0][:n_labels]
    return labels


def some_patch(seed=0):
    """A patch that adds, removes, and makes cells known and unknown."""
    before, after = three_valued(seed=seed), three_valued(seed=seed + 1)
    return before, after, CellPatch.diff(before, after)


matrices = arrays(np.int8, st.tuples(st.just(5), st.just(3)), elements=st.sampled_from([-1, 0, 1])).map(
    lambda y: np.where(np.arange(15).reshape(5, 3) == 0, 0, y).astype(np.int8)  # one 0: else -1 might mean absent
)


# ----------------------------------------------------------------------------------------------------------- properties


@given(matrices, matrices, matrices)
@settings(max_examples=60)
def test_patches_are_a_group(a, b, c):
    ab, bc = CellPatch.diff(a, b), CellPatch.diff(b, c)
    assert len(ab) == np.count_nonzero(a != b)
    np.testing.assert_array_equal(ab.apply(a), b)
    np.testing.assert_array_equal(ab.invert().apply(b), a)
    assert ab.invert().invert() == ab
    assert ab.after == bc.before
    both = ab.compose(bc)
    np.testing.assert_array_equal(both.apply(a), c)
    direct = CellPatch.diff(a, c)
    columns = ["row", "label", "old", "new"]
    np.testing.assert_array_equal(both.to_frame()[columns], direct.to_frame()[columns])
    assert (both.before, both.after) == (direct.before, direct.after)
    nothing = ab.compose(ab.invert())
    assert len(nothing) == 0
    assert nothing.before == nothing.after == ab.before
    assert CellPatch.from_json(both.to_json()) == both


@given(matrices, matrices)
@settings(max_examples=60)
def test_fingerprints_follow_from_the_changes_alone(a, b):
    patch = CellPatch.diff(a, b)
    assert int(patch.before, 16) == fingerprint(as_label_matrix(a))
    assert int(patch.after, 16) == fingerprint(as_label_matrix(b))
    assert (patch.before == patch.after) == bool((a == b).all())


def test_fingerprints_do_not_depend_on_blocks(monkeypatch):
    labels = as_label_matrix(np.random.default_rng(0).integers(0, 2, (500, 40)))
    expected = fingerprint(labels)
    for block in (1, 7, 1000):
        monkeypatch.setattr("mlkit.quality._fingerprint._BLOCK", block)
        assert fingerprint(labels) == expected


def test_fingerprints_of_small_matrices_are_all_different():
    every = {
        fingerprint(as_label_matrix(np.array([[(k >> (3 * i + j)) & 1 for j in range(3)] for i in range(4)])))
        for k in range(2**12)
    }
    assert len(every) == 2**12


# ---------------------------------------------------------------------------------------------------------------- forms


def forms(y):
    """The same three-valued labels in every form, with what to compare the result by."""
    floats = np.where(y == -1, np.nan, y.astype(float))
    frame = pd.DataFrame(y, columns=NAMES)
    return {
        "int8": y,
        "int64, Fortran": np.asfortranarray(y.astype(np.int64)),
        "float": floats,
        "csr_array": sparse.csr_array(y),
        "csr_matrix": sparse.csr_matrix(y),
        "csc_array of floats": sparse.csc_array(y.astype(float)),
        "LabelMatrix": as_label_matrix(y),
        "pandas": frame,
        "pandas float": pd.DataFrame(floats, columns=NAMES),
        "pandas Int8": frame.astype(object).replace(-1, pd.NA).astype("Int8"),
        "pandas, other order": frame[NAMES[::-1]],
    }


@pytest.mark.parametrize("form", forms(three_valued()))
def test_the_answer_has_the_form_of_the_question(form):
    before, after, patch = some_patch()
    if "pandas" in form:
        patch = CellPatch.diff(pd.DataFrame(before, columns=NAMES), pd.DataFrame(after, columns=NAMES))
    question, expected = forms(before)[form], forms(after)[form]
    kept = copy.deepcopy(question)
    answer = patch.apply(question)
    assert type(answer) is type(expected) or form.startswith("csc")
    if sparse.issparse(expected):
        assert (answer.format, answer.dtype) == ("csr", expected.dtype)
        np.testing.assert_array_equal(answer.toarray(), expected.toarray())
        assert (question != kept).nnz == 0
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(answer, expected)
        pd.testing.assert_frame_equal(question, kept)
    elif isinstance(expected, np.ndarray):
        assert answer.dtype == expected.dtype
        np.testing.assert_array_equal(answer, expected)
        np.testing.assert_array_equal(question, kept)
    else:
        assert answer == expected


def test_lists_and_polars_frames_become_label_matrices():
    before, after = np.array([[1, 0, 0], [0, 1, 1]]), np.array([[1, 1, 0], [0, 0, 1]])
    patch = CellPatch.diff(before, after)
    assert patch.apply([[0], [1, 2]]) == as_label_matrix(after)
    named = CellPatch.diff(pd.DataFrame(before, columns=NAMES), pd.DataFrame(after, columns=NAMES))
    assert named.apply([["cat"], ["owl", "dog"]]).to_lists() == [[0, 1], [2]]
    assert isinstance(named.apply(pl.DataFrame(dict(zip(NAMES, before.T)))), LabelMatrix)
    assert CellPatch.diff([[0], [1, 2]], after) == patch


def test_bool_labels_stay_bool_until_a_cell_becomes_unknown():
    before, after = np.array([[True, False, False]]), np.array([[True, True, False]])
    np.testing.assert_array_equal(CellPatch.diff(before, after).apply(before), after)
    patch = CellPatch.diff(before, np.array([[1, -1, 0]]))
    for labels in (before, pd.DataFrame(before, columns=["a", "b", "c"])):
        with pytest.raises(ValueError, match=r"labels: expected a signed integer or float type, .* got bool"):
            patch.apply(labels)
    assert patch.apply(sparse.csr_array(before)).toarray().tolist() == [[1, -1, 0]]


def test_labels_of_which_the_rest_is_unknown():
    stored = sparse.csr_array((np.array([1, 0, 1], np.int8), [0, 2, 1], [0, 2, 3]), shape=(2, 3))
    before = as_label_matrix(stored, background="unknown")
    after = as_label_matrix(sparse.csr_array(([1, 1], [0, 2], [0, 1, 2]), shape=(2, 3)), background="unknown")
    patch = CellPatch.diff(before, after)
    assert list(zip(patch.rows, patch.labels, patch.old, patch.new)) == [(0, 2, 0, -1), (1, 1, 1, -1), (1, 2, -1, 1)]
    assert patch.apply(before) == after
    assert patch.invert().apply(after) == before
    assert CellPatch.from_json(patch.to_json()).apply(before) == after
    with pytest.raises(ValueError, match=r"expected cells that are not given to be unknown, .*background='unknown'"):
        patch.apply(before.to_dense())
    with pytest.raises(ValueError, match=r"after: expected background='unknown' as before, got 'negative'"):
        CellPatch.diff(before, before.to_dense())


def test_a_mask_of_unknown_cells_belongs_to_the_labels():
    labels, mask = np.array([[1, 0], [0, 0]]), np.array([[True, False], [False, True]])
    marked = as_label_matrix(labels, unknown=mask)
    patch = CellPatch.diff(marked, as_label_matrix(np.array([[1, 1], [0, 0]]), unknown=mask))
    np.testing.assert_array_equal(patch.apply(labels, unknown=mask), [[1, 1], [0, 0]])
    with pytest.raises(ValueError, match="labels: expected those that this patch is for"):
        patch.apply(labels)


def test_wide_sparse_labels_cost_what_is_stored():
    n, wide = 2000, 2_000_000  # 4e9 cells
    rng = np.random.default_rng(0)
    cells = np.unique(rng.integers(0, n * wide, 12_000))
    before = sparse.csr_array((np.ones(cells.size, np.int8), np.divmod(cells, wide)), shape=(n, wide))
    after = before.copy()
    after.data[:50] = 0
    after.eliminate_zeros()
    patch = CellPatch.diff(before, after)
    assert len(patch) == 50
    assert (patch.apply(before) != after).nnz == 0


# ----------------------------------------------------------------------------------------------------------- other data


def test_other_labels_are_refused_and_the_first_difference_named():
    before, _, patch = some_patch()
    other = before.copy()
    other[patch.rows[0], patch.labels[0]] = patch.new[0]
    where = f"they have {patch.new[0]} where the patch expects {patch.old[0]} at row {patch.rows[0]}, label "
    message = rf"labels: expected those that this patch is for \(fingerprint {patch.before}\), got others .*{where}"
    with pytest.raises(ValueError, match=message):
        patch.apply(other)


def test_labels_that_differ_outside_the_patch_are_refused():
    before, after = np.zeros((4, 3), int), np.zeros((4, 3), int)
    after[0, 0] = 1
    patch = CellPatch.diff(before, after)
    before[3, 2] = 1
    with pytest.raises(ValueError, match="labels: expected those that this patch is for"):
        patch.apply(before)


def test_a_patch_is_not_applied_twice():
    _, after, patch = some_patch()
    with pytest.raises(ValueError, match=r"got those after it \(applied already\)"):
        patch.apply(after)


def test_other_shapes_and_names_are_refused():
    before, after, patch = some_patch()
    with pytest.raises(ValueError, match=r"labels: expected shape \(8, 3\), for which this patch is, got \(7, 3\)"):
        patch.apply(before[:-1])
    with pytest.raises(ValueError, match="labels: expected 8 examples, for which this patch is, got 1"):
        patch.apply([[0]])
    named = CellPatch.diff(pd.DataFrame(before, columns=NAMES), pd.DataFrame(after, columns=NAMES))
    with pytest.raises(ValueError, match="cow"):
        named.apply(pd.DataFrame(before, columns=["cat", "dog", "cow"]))


def test_patches_that_do_not_follow_one_another_are_not_composed():
    _, _, patch = some_patch()
    message = rf"other: expected a patch for the labels that this one makes \(fingerprint {patch.after}"
    with pytest.raises(ValueError, match=message):
        patch.compose(patch)
    with pytest.raises(TypeError, match="other: expected a CellPatch, got int 3"):
        patch.compose(3)


def test_matrices_that_cannot_be_compared_are_refused():
    before = np.array([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match=r"after: expected shape \(2, 2\) to match before, got \(1, 2\)"):
        CellPatch.diff(before, before[:1])
    with pytest.raises(ValueError, match="after: expected the label names of before"):
        CellPatch.diff(pd.DataFrame(before, columns=["a", "b"]), pd.DataFrame(before, columns=["b", "a"]))
    with pytest.raises(ValueError, match="after: expected 0 or 1"):
        CellPatch.diff(before, before + 5)


# -------------------------------------------------------------------------------------------------------------- choices


def scored():
    before = np.zeros((3, 3), np.int8)
    labels = as_label_matrix(before, label_names=NAMES)
    cells, score = np.array([7, 0, 4, 2]), np.array([0.3, 0.0, 0.1, np.nan])
    return before, CellPatch._for(labels, cells, np.ones(4, np.int8), score, "reason")


def test_a_part_of_a_patch_is_chosen_by_score():
    before, patch = scored()
    assert patch._cells.tolist() == [0, 2, 4, 7]
    assert patch.select(fdr=0.0)._cells.tolist() == [0, 2]
    assert patch.select(fdr=0.05)._cells.tolist() == [0, 2, 4]
    assert patch.select(fdr=0.14)._cells.tolist() == [0, 2, 4, 7]
    assert patch.select(max_changes=1)._cells.tolist() == [0, 2]
    assert patch.select(max_changes=0)._cells.tolist() == [2]
    assert patch.select([False, False, True, True], fdr=0.1)._cells.tolist() == [4]
    assert patch.select([False] * 4)._cells.tolist() == []
    assert patch.select(max_changes=1).before == patch.before
    np.testing.assert_array_equal(patch.select(fdr=0.05).apply(before), [[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match=r"keep: expected 4 times True or False, .* got bool of shape \(2,\)"):
        patch.select([True, False])
    with pytest.raises(ValueError, match=r"fdr: expected a number in \[0, 1\], got 10 \(did you mean 0.1\?\)"):
        patch.select(fdr=10)


def test_the_table_has_names_and_order():
    _, patch = scored()
    frame = patch.to_frame()
    assert list(frame.columns) == ["row", "label", "old", "new", "score", "why"]
    assert frame["row"].tolist() == [0, 0, 1, 2]
    assert frame["label"].tolist() == ["cat", "owl", "dog", "dog"]
    assert set(frame["why"]) == {"reason"}
    assert repr(patch) == "CellPatch: 4 cells of 3 examples x 3 labels (4 added, 0 removed)"


def test_patches_cannot_be_changed_and_can_be_pickled():
    _, patch = scored()
    for part in (patch.old, patch.new, patch.score):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 0
    assert pickle.loads(pickle.dumps(patch)) == patch
    assert copy.deepcopy(patch) == patch
    assert patch != patch.invert()
    assert patch != 3


# ----------------------------------------------------------------------------------------------------------------- text


def test_a_patch_is_read_back_from_its_file(tmp_path):
    before, patch = scored()
    text = patch.to_json(tmp_path / "patch.json")
    assert (tmp_path / "patch.json").read_text(encoding="utf-8") == text
    again = CellPatch.from_json(tmp_path / "patch.json")
    assert again == patch
    assert again.label_names == tuple(NAMES)
    np.testing.assert_array_equal(again.apply(before), patch.apply(before))
    assert json.loads(text)["cells"][1] == [0, 2, 0, 1, None, "reason"]
    assert text.count("\n") == 15  # a line for each cell


def test_lines_may_be_deleted_from_a_file():
    before, patch = scored()
    lines = patch.to_json().splitlines()
    kept = [line for line in lines if not line.startswith("    [0, 2")]
    assert len(kept) == len(lines) - 1
    without_last = [line for line in lines if not line.startswith("    [2, 1")]  # which leaves a comma behind
    assert CellPatch.from_json("\n".join(without_last)) == patch.select([True, True, True, False])
    shorter = CellPatch.from_json("\n".join(kept))
    assert shorter == patch.select([True, False, True, True])
    assert shorter.apply(before).sum() == 3


def test_old_values_that_were_edited_are_noticed():
    before, patch = scored()
    head = json.loads(patch.to_json())
    head["cells"][0][2] = -1
    with pytest.raises(ValueError, match=r"labels: expected -1 at row 0, label 0 'cat', as the patch says, got 0"):
        CellPatch.from_json(json.dumps(head)).apply(before)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    _, patch = scored()
    path = tmp_path / "patch.json"
    patch.to_json(path)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.write_text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        patch.select(max_changes=0).to_json(path)
    assert CellPatch.from_json(path) == patch
    assert list(tmp_path.iterdir()) == [path]


BROKEN = {
    "not JSON": ("[1, 2", r"patch: expected JSON, got text that is none"),
    "a name": ("patch.json", r"a file's name is a Path, not text"),
    "another format": ("{}", r"patch: expected a CellPatch \(format 'mlkit.CellPatch'\)"),
}
EDITS = {
    "version": ({"version": 2}, r"patch: expected version 1, which this mlkit reads \(got 2"),
    "shape": ({"shape": [3]}, "patch: expected two whole numbers as 'shape'"),
    "background": ({"background": "none"}, "patch: expected 'negative' or 'unknown'"),
    "names": ({"label_names": ["a"]}, "patch: expected null or 3 distinct 'label_names'"),
    "before": ({"before": "xyz"}, "patch: expected 16 hexadecimal digits"),
    "cells": ({"cells": 3}, "patch: expected a list as 'cells'"),
    "a short cell": ({"cells": [[0, 0]]}, r"patch: expected \[row, label, old, new, score, why\] as cell 0"),
    "a cell outside": ({"cells": [[0, 3, 0, 1, None, ""]]}, "patch: expected a cell of 3 x 3 as cell 0, not row 0"),
    "no change": ({"cells": [[0, 0, 1, 1, None, ""]]}, "patch: expected two different values"),
    "a score": ({"cells": [[0, 0, 0, 1, 7, ""]]}, r"patch: expected a score in \[0, 1\] or null in cell 0"),
    "twice": ({"cells": [[1, 2, 0, 1, None, ""]] * 2}, "patch: expected each cell once, not row 1, label 2 twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_patch_is_refused(name):
    text, message = BROKEN[name]
    with pytest.raises(ValueError, match=message):
        CellPatch.from_json(text)


@pytest.mark.parametrize("name", EDITS)
def test_what_is_wrong_with_a_patch_is_said(name):
    edit, message = EDITS[name]
    text = json.dumps({**json.loads(scored()[1].to_json()), **edit})
    with pytest.raises(ValueError, match=message):
        CellPatch.from_json(text)


def test_a_missing_field_is_named(tmp_path):
    head = json.loads(scored()[1].to_json())
    del head["before"]
    (tmp_path / "p.json").write_text(json.dumps(head))
    with pytest.raises(ValueError, match=r"patch: expected 'before' in p\.json"):
        CellPatch.from_json(tmp_path / "p.json")
    with pytest.raises(TypeError, match="source: expected JSON text or a Path, got int 3"):
        CellPatch.from_json(3)
