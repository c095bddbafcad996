"""Which label sets can be trusted: conformal prediction for all 2^L label sets, exact for a thousand labels."""

from mlkit.conformal import scores, validity
from mlkit.conformal._inputs import ConformalWarning
from mlkit.conformal.classifier import LabelPowersetConformalClassifier
from mlkit.conformal.region import LabelSetRegion, SetList, SizeBound
from mlkit.conformal.regions import RegionArray

__all__ = [
    "ConformalWarning",
    "LabelPowersetConformalClassifier",
    "LabelSetRegion",
    "RegionArray",
    "SetList",
    "SizeBound",
    "scores",
    "validity",
]
