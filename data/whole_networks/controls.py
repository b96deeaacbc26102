"""What moving costs elsewhere: python data/whole_networks/controls.py (two minutes of one core).

The student and teacher of small.py ("pixels"), from the solved head, at other learning rates, at
other shares of the minority in labelled set and pool, and with a pool as small as the labelled
set. Writes controls.csv, a row per setting, arm and run, and how it came about.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from draws import solved, teacher_of  # noqa: E402
from small import FIT, L2, RUNS, SIZES, students_of  # noqa: E402

from w2s_tutorial import whole  # noqa: E402
from w2s_tutorial.datasets import waterdigits  # noqa: E402
from w2s_tutorial.datasets.frozen import FrozenFeatures  # noqa: E402
from w2s_tutorial.storage import describe  # noqa: E402
from w2s_tutorial.tables import save_result  # noqa: E402

TEACHER = "pixels"
SETTINGS: tuple[
    tuple[float, float, int, tuple[float, ...]], ...
] = (  # shares of the minority in labelled set and pool, size of the pool, rates
    (0.25, 0.25, 400, (0.1, 1 / 3, 1, 3)),
    (0.25, 0.25, 100, (1,)),
    (0.25, 0.5, 400, (1,)),
    (0.5, 0.5, 400, (1,)),
)


def world_of(labeled: float, pooled: float, size: int, runs: int) -> whole.Lesson:
    composites = waterdigits.compose(seed=0)
    view = waterdigits.backbone(TEACHER)(composites.images)
    seen = FrozenFeatures({TEACHER: view}, composites.label)
    shares = {"labeled": labeled, "pool": pooled, "held": pooled, "test": 0.5}
    sizes = {**SIZES, "pool": size}
    return whole.lesson(
        seen, composites.images, TEACHER, sizes=sizes, minority=shares, runs=runs, seed=0, l2=L2
    )


def measured(
    labeled: float, pooled: float, size: int, rates: tuple[float, ...], runs: int
) -> pd.DataFrame:
    """The teacher, the solved heads, and students that start from the one of its labels."""
    world = world_of(labeled, pooled, size, runs)
    students = students_of(runs)
    features = whole.map_images(world, students[0].body.eval())
    found = {"weak": teacher_of(world)}
    for role, name in (("weak", ""), ("ceiling", "ceiling, "), ("baseline", "baseline, ")):
        found[f"{name}frozen head"] = solved(features, role, L2)
    heads = whole.fit_heads(features, l2=L2)
    ready = [student.begin(heads, i) for i, student in enumerate(students)]
    for rate in rates:
        fit: dict[str, Any] = {**FIT, "lr": rate * FIT["lr"]}
        found[f"head first, rate {rate:.2g}"] = whole.fine_tune(ready, world, **fit, seed=100)
    tables = [whole.measures(taught, world).assign(arm=arm) for arm, taught in found.items()]
    return pd.concat(tables).assign(labeled=labeled, pooled=pooled, pool_size=size)


def main(folder: Path = HERE, runs: int = RUNS) -> None:
    start = time.process_time()
    table = pd.concat([measured(*setting, runs) for setting in SETTINGS])
    facts = describe(
        "python data/whole_networks/controls.py",
        code=(Path(__file__), HERE / "small.py", Path(str(whole.__file__))),
        processor_seconds=round(time.process_time() - start),
        teacher=TEACHER, sizes=SIZES, runs=runs, l2=L2, **FIT,
    )  # fmt: skip
    save_result(table.round(4), folder / "controls.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
