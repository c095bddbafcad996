"""Audits of real data sets through the command line, straight from their archives."""

import json

import numpy as np
import pandas as pd
import pytest

import mlkit as library

WITH_PROBABILITIES = ("birds", "brighter", "emotions", "enron", "medical", "rcv1sub1", "scene", "yeast")


@pytest.mark.parametrize("name", WITH_PROBABILITIES)
def test_every_set_with_probabilities(mlkit, load_dataset, data_dir, tmp_path, contents, name):
    data = load_dataset(name)
    path = data_dir / f"{name}.npz"
    ended = mlkit("audit", "--labels", f"{path}:Y", "--probs", f"{path}:oof_probs", "--names", f"{path}:label_names",
                  "--folds", f"{path}:oof_fold", "--out", tmp_path / "out")  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    names = data.extra["label_names"].tolist()
    expected = library.audit(data.Y, data.extra["oof_probs"], label_names=names, fold_ids=data.extra["oof_fold"])
    written = contents(tmp_path / "out")
    assert json.loads(written["summary.json"]) == json.loads(expected.to_json())
    cells = pd.read_csv(tmp_path / "out" / "cells.csv", keep_default_na=False, na_values={"p": [""]})
    assert cells["row"].tolist() == expected.cells()["row"].tolist()
    assert cells["label"].astype(str).tolist() == expected.cells()["label"].tolist()


def test_every_set_with_probabilities_is_tried(data_dir):
    found = []
    for path in sorted(data_dir.glob("*.npz")):
        with np.load(path) as archive:
            if "oof_probs" in archive.files:
                found.append(path.stem)
    assert tuple(found) == WITH_PROBABILITIES


def test_labels_that_do_not_say_how_many_columns_they_have(mlkit, data_dir):
    path = data_dir / "rcv1sub1.npz"
    ended = mlkit("audit", "--labels", f"{path}:Ypub", "--probs", f"{path}:oof_probs", "--names", f"{path}:label_names")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("LabelAudit: 6,000 examples x 101 labels")


def test_predicted_sets_in_place_of_probabilities(mlkit, data_dir):
    path = data_dir / "audioset_eval.npz"
    ended = mlkit("audit", "--labels", f"{path}:Y", "--probs", f"{path}:pred", "--force",
                  "--filter", "predicted_neq_given")  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("LabelAudit: 20,371 examples x 527 labels (predicted_neq_given)")
