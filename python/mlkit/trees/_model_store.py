"""A fitted LabelTreeClassifier as a folder, and back."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlkit.trees._questions import ARRAYS
from mlkit.trees._store import read_folder, write_folder
from mlkit.trees.label_tree import LabelTree

if TYPE_CHECKING:
    from mlkit.trees.classifier import LabelTreeClassifier

MODEL_ARRAYS = ("chunk_begin", "features", "row_begin", "columns", "weights", "node_bias", "label_bias")
_KIND = "LabelTreeClassifier"


def save_model(model: LabelTreeClassifier, path: str | Path) -> None:
    simple = (bool, int, float, str, type(None))
    names = getattr(model, "feature_names_in_", None)
    header = {
        "params": {name: value for name, value in model.get_params(deep=False).items() if isinstance(value, simple)},
        "n_features": model.n_features_in_,
        "feature_names": None if names is None else list(names),
        "label_names": model.label_names_,
        "target_form": model._target_form,
        "has_classes": model._has_classes,
        "n_iter": model.n_iter_,
        "node_names": [tree.node_names for tree in model.trees_],
    }
    classes = model.classes_
    arrays = {"classes": classes.astype(str) if classes.dtype == object else classes}
    for t, (tree, of_tree) in enumerate(zip(model.trees_, model._models, strict=True)):
        arrays.update({f"tree{t}.{name}": getattr(tree, name) for name in ARRAYS})
        arrays.update({f"tree{t}.{name}": of_tree[name] for name in MODEL_ARRAYS})
    write_folder(path, _KIND, header, arrays)


def load_model(kind: type[LabelTreeClassifier], path: str | Path, *, mmap: bool) -> LabelTreeClassifier:
    header, arrays = read_folder(path, _KIND, mmap=mmap)
    known = set(inspect.signature(kind.__init__).parameters)
    model = kind(**{name: value for name, value in header["params"].items() if name in known})
    model.trees_, model._models = [], []
    for t, node_names in enumerate(header["node_names"]):
        names = {"label_names": header["label_names"], "node_names": node_names}
        model.trees_.append(LabelTree._from_stored(names, arrays, f"tree{t}."))
        model._models.append({name: arrays[f"tree{t}.{name}"] for name in MODEL_ARRAYS})
    model.n_features_in_ = int(header["n_features"])
    if header["feature_names"] is not None:
        model.feature_names_in_ = np.array(header["feature_names"], dtype=object)
    model.n_labels_ = model.trees_[0].n_labels
    model.classes_, model._has_classes = np.array(arrays["classes"]), header["has_classes"]
    model.n_iter_ = int(header["n_iter"])
    model.label_names_ = None if header["label_names"] is None else tuple(header["label_names"])
    model._target_form = header["target_form"]
    try:
        model._load_models()
    except ValueError as error:
        raise ValueError(f"path: expected arrays that agree in {str(path)!r}, got others ({error})") from None
    return model
