"""Other libraries' functions under their own names and signatures, on mlkit's kernels.

:mod:`mlkit.compat.cleanlab` answers as cleanlab 2.9's multi-label functions do: switch with one changed import.
"""

from mlkit.compat import cleanlab

__all__ = ["cleanlab"]
