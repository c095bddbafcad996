"""Small data to play with, made on the spot: nothing is downloaded.

:func:`make_multidigits` composes pictures of real handwritten digits; which digits a picture shows are its labels.
:func:`inject_label_noise` breaks a known share of any label matrix and says exactly which cells it broke.
"""

from mlkit.datasets.multidigits import MultiDigits, make_multidigits
from mlkit.datasets.noise import inject_label_noise

__all__ = ["MultiDigits", "inject_label_noise", "make_multidigits"]
