"""Trees over the labels, and learners on them.

:class:`LabelTree` is the tree itself; builders make one from data: :class:`HierarchicalBalancedKMeans`,
:class:`AgglomerativeLabelTree`, :class:`HuffmanLabelTree`, :class:`RandomLabelTree`; a taxonomy of one's own comes in
through ``LabelTree.from_parents`` and its likes. :class:`LabelTreeClassifier` trains linear models along a tree,
:class:`HOMERClassifier` any classifier of scikit-learn;
:class:`BalancedKMeans` clusters rows of any kind.
"""

from mlkit.trees.builders import (
    AgglomerativeLabelTree,
    HierarchicalBalancedKMeans,
    HuffmanLabelTree,
    RandomLabelTree,
)
from mlkit.trees.classifier import LabelTreeClassifier
from mlkit.trees.clustering import BalancedKMeans
from mlkit.trees.homer import HOMERClassifier
from mlkit.trees.label_tree import LabelTree

__all__ = [
    "AgglomerativeLabelTree",
    "BalancedKMeans",
    "HOMERClassifier",
    "HierarchicalBalancedKMeans",
    "HuffmanLabelTree",
    "LabelTree",
    "LabelTreeClassifier",
    "RandomLabelTree",
]
