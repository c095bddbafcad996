"""What estimators learn: labels, or one class for each example; and how much its cells and rows weigh."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.arrays import is_array, is_sparse, read_array
from mlkit._validation.frames import is_frame
from mlkit._validation.params import check_choice, check_number, described, shorten, suggest
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import read_labels


@dataclass(frozen=True)
class Targets:
    """Labels to learn. Of a one-dimensional ``y`` each class is a label, and each example has one."""

    labels: LabelMatrix
    classes: NDArray[Any]  # what the labels stand for: their numbers, or the classes
    has_classes: bool
    form: str | None  # dtype of dense predictions of labels; None after sparse ones


def read_y(y: Any, n_rows: int, n_threads: int) -> Targets:
    """Read ``y`` of an estimator's ``fit``.

    Raises
    ------
    TypeError, ValueError
        If ``y`` is neither labels nor classes, or has other rows than ``X``.
    """
    if hasattr(y, "__array__") and not (is_array(y) or is_frame(y) or isinstance(y, LabelMatrix)):
        y = read_array("y", y)
    classes = _one_dimensional(y)
    if classes is not None:
        return _read_classes(classes, n_rows)
    labels = read_targets(y, n_rows, n_threads)
    return Targets(labels, np.arange(labels.shape[1]), False, _target_form(y))


def read_targets(y: Any, n_rows: int | None, n_threads: int) -> LabelMatrix:
    """Read labels; messages name ``y``."""
    if y is None:
        raise ValueError("y: expected labels, got None (requires y to be passed, but the target y is None)")
    labels = read_labels(_indicator_of_lists(y), n_threads=n_threads, argument="y")
    _check_rows(labels.shape[0], n_rows)
    if labels.background == "unknown":
        raise ValueError(
            "y: expected background='negative', got labels of which all that is not stored is unknown "
            "(a classifier needs negatives: read them again with as_label_matrix(...))"
        )
    return labels


def _check_rows(got: int, n_rows: int | None) -> None:
    if n_rows is not None and got != n_rows:
        raise ValueError(f"y: expected {n_rows} rows to match X, got {got}")


def _indicator_of_lists(y: Any) -> Any:
    """Equal rows of zeros and ones in a list are an indicator: label numbers would need their number beside them."""
    if not isinstance(y, (list, tuple)) or len(y) == 0:
        return y
    if not all(isinstance(row, (list, tuple, np.ndarray)) and np.ndim(row[:1]) == 1 for row in y):
        return y
    if len({len(row) for row in y}) != 1:
        return y
    rows = np.array(y)
    return rows if rows.ndim == 2 and rows.dtype.kind in "biuf" and np.isin(rows, (0, 1)).all() else y


def _target_form(y: Any) -> str | None:
    """What predictions should look like: the dtype of dense labels, None after sparse ones."""
    if hasattr(y, "nnz"):
        return None
    dtype = np.array(y[:1]).dtype if isinstance(y, (list, tuple)) else getattr(y, "dtype", None)
    return dtype.str if isinstance(dtype, np.dtype) and dtype.kind in "biuf" else "int8"


# -------------------------------------------------------------------------------------------------------------- classes


def _one_dimensional(y: Any) -> NDArray[Any] | None:
    """``y`` as an array if it gives each example one value; a column of what cannot be labels does so too."""
    if y is None or is_frame(y) or is_sparse(y) or isinstance(y, LabelMatrix):
        return None
    if isinstance(y, (list, tuple)):
        if len(y) == 0 or not all(isinstance(value, (str, int, float, np.generic)) for value in y):
            return None
        values = np.asarray(y)
        return values if values.dtype.kind != "U" or all(isinstance(value, str) for value in y) else np.array(y, object)
    if not is_array(y):
        return None
    values = read_array("y", y)
    if values.ndim == 1:
        is_lists = values.dtype == object and not all(isinstance(v, (str, int, float, np.generic)) for v in values)
        return None if is_lists else values
    is_column = values.ndim == 2 and values.shape[1] == 1 and values.dtype.kind in "iuUO"
    if not is_column or np.isin(values, (-1, 0, 1)).all():
        return None
    from sklearn.exceptions import DataConversionWarning

    message = "y: A column-vector y was passed when a 1d array was expected (classes: use .ravel())"
    warnings.warn(message, DataConversionWarning, stacklevel=4)
    return values.ravel()


def _read_classes(values: NDArray[Any], n_rows: int) -> Targets:
    from scipy.sparse import csr_array

    _check_rows(values.size, n_rows)
    if values.dtype.kind == "f":
        bad = ~np.isfinite(values)
        if bad.any():
            at = int(np.argmax(bad))
            raise ValueError(f"y: expected a class for each example, got {values[at]} at row {at}")
        if (values != np.floor(values)).any():
            at = int(np.argmax(values != np.floor(values)))
            raise ValueError(
                f"y: expected classes or an (n_samples, n_labels) label matrix, got {values[at]:g} at row {at} "
                "(Unknown label type: continuous)"
            )
    try:
        classes, codes = np.unique(values, return_inverse=True)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in values})
        raise TypeError(f"y: expected classes of one kind, got {', '.join(kinds)}") from None
    n = values.size
    cells = csr_array((np.ones(n, np.int8), codes.astype(np.int32), np.arange(n + 1)), shape=(n, classes.size))
    names = [str(name) for name in classes] if all(isinstance(name, str) for name in classes) else None
    return Targets(read_labels(cells, label_names=names, argument="y"), classes, True, None)


# -------------------------------------------------------------------------------------------------------------- weights


def read_sample_weight(sample_weight: Any, n_rows: int) -> NDArray[np.float64] | None:
    """Return one finite weight >= 0 for each row, not all of them 0; None stays None."""
    if sample_weight is None:
        return None
    weights = read_array("sample_weight", sample_weight)
    if weights.ndim == 0:
        return np.full(n_rows, check_number("sample_weight", sample_weight, 0.0, np.inf, open_low=True, open_high=True))
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    if weights.shape != (n_rows,):
        raise ValueError(f"sample_weight: expected one weight for each of {n_rows} examples, got shape {weights.shape}")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(f"sample_weight: expected finite weights >= 0, got {weights[at]:g} at row {at}")
    if not weights.any():
        raise ValueError("sample_weight: expected a positive weight, got zeros")
    return weights


def read_label_weight(class_weight: Any, targets: Targets) -> NDArray[np.float64] | None:
    """Return the factors on the costs of labels' positives that ``class_weight`` asks for."""
    if class_weight is None:
        return None
    labels = targets.labels
    if isinstance(class_weight, str):
        if check_choice("class_weight", class_weight, ("balanced", "propensity")) == "balanced":
            return None
        from mlkit.metrics.propensity import inverse_propensity

        return inverse_propensity(labels)
    weights = np.ones(labels.shape[1])
    if isinstance(class_weight, Mapping):
        names = labels.label_names or ()
        number = {name: j for j, name in enumerate(names)} | {c: j for j, c in enumerate(targets.classes.tolist())}
        for name, weight in class_weight.items():
            if name not in number:
                hint = suggest(name, names)
                raise ValueError(f"class_weight: expected labels of y, got {shorten(name)}{hint}")
            weights[number[name]] = weight
    else:
        weights = np.ascontiguousarray(class_weight, dtype=np.float64)
    if weights.shape != (labels.shape[1],) or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(
            f"class_weight: expected a positive number for each of {labels.shape[1]} labels, "
            f"got {described(class_weight)}"
        )
    return weights


def multi_label_tags(tags: Any) -> Any:
    """Tell scikit-learn that an estimator takes sparse rows, and several labels beside classes."""
    tags.input_tags.sparse = True
    tags.target_tags.multi_output = True
    tags.classifier_tags.multi_label = True
    return tags
