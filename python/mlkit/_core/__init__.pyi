from mlkit._core import conformal as conformal
from mlkit._core import labels as labels
from mlkit._core import metrics as metrics
from mlkit._core import quality as quality
from mlkit._core import trees as trees

__version__: str

def thread_limit() -> int: ...
def build_info() -> dict[str, str]: ...
