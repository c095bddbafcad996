"""Containers of labels, and the structure of label matrices.

One door for every form that labels come in: :func:`as_label_matrix` turns arrays, sparse matrices, frames and lists
into a :class:`LabelMatrix`, the three-valued sparse container that the rest of the package works on.
:func:`label_cooccurrence` says which labels occur together.
"""

from mlkit.labels.cooccurrence import label_cooccurrence
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import as_label_matrix

__all__ = ["LabelMatrix", "as_label_matrix", "label_cooccurrence"]
