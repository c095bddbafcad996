"""Ask for regions that explode (100 labels at level .999) and measure time and memory; a child process of a test.

    python regions_in_little_memory.py OUT

Writes ``answers.json`` to the folder: bounds as text, seconds for each answer, and the peak of
resident memory in MB, Python and its libraries included.
"""

import json
import sys
import time
from pathlib import Path


def peak():
    """VmHWM of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise KeyError("VmHWM")


def main(folder):
    import numpy as np

    from mlkit.conformal import LabelPowersetConformalClassifier
    from mlkit.conformal.scores import Mahalanobis, PairUnseen

    rng = np.random.default_rng(0)
    probs = rng.beta(0.6, 1.6, (3502, 100))
    labels = rng.random(probs.shape) < probs
    answers = {"seconds": {}, "bounds": {}}

    def timed(name, ask):
        begin = time.perf_counter()
        result = ask()
        answers["seconds"][name] = time.perf_counter() - begin
        return result

    def ask(name, score, *, exact):
        clf = LabelPowersetConformalClassifier(score=score, confidence_level=0.999, n_jobs=1)
        clf.fit_proba(probs[:500], labels[:500]).conformalize_proba(probs[500:3500], labels[500:3500])
        regions = timed(f"{name}: regions", lambda: clf.predict_region_proba(probs[3500:3501]))
        lower, upper, _ = timed(f"{name}: size", lambda: regions.size(exact=exact))
        answers["bounds"][name] = [str(lower[0]), str(upper[0])]
        timed(f"{name}: certain", lambda: regions.certain)
        timed(f"{name}: p-values", lambda: regions.p_values(labels[3500:3501]))
        assert timed(f"{name}: top", lambda: regions[0].top(20)).truncated
        timed(f"{name}: evaluate", lambda: regions.evaluate(labels[3500:3501]))

    ask("l2", "l2", exact=False)
    ask("l2, exact=True", "l2", exact=True)
    ask("mahalanobis", Mahalanobis(), exact=False)
    ask("pair_unseen", PairUnseen(weight=0.1), exact=False)
    answers["peak_mb"] = peak()
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
