"""Which label sets can be trusted: conformal prediction for all 2^L label sets, exact for a thousand labels."""

from mlkit.conformal import scores, validity
from mlkit.conformal._inputs import ConformalWarning
from mlkit.conformal._sizes import SizeBound
from mlkit.conformal._thresholded import InnerOuterSets
from mlkit.conformal.classifier import LabelPowersetConformalClassifier
from mlkit.conformal.inner_outer import InnerOuterConformalClassifier
from mlkit.conformal.listings import SetArray, SetList
from mlkit.conformal.region import LabelSetRegion
from mlkit.conformal.regions import RegionArray
from mlkit.conformal.risk import MultiLabelRiskController, RiskCurve

__all__ = [
    "ConformalWarning",
    "InnerOuterConformalClassifier",
    "InnerOuterSets",
    "LabelPowersetConformalClassifier",
    "LabelSetRegion",
    "MultiLabelRiskController",
    "RegionArray",
    "RiskCurve",
    "SetArray",
    "SetList",
    "SizeBound",
    "scores",
    "validity",
]
