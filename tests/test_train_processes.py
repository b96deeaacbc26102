"""Training spread over processes gives what one process gives."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
from conftest import ROOT
from training_case import IMAGES, LABELS, SETTINGS, Spare, generator, loss, noisy, weights

from w2s_tutorial.networks.train import fit

WORKER = """
import os, sys, torch, torch.distributed as dist
sys.path.insert(0, "tests")
from training_case import *
from w2s_tutorial.networks.train import fit
torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()

settings = dict(steps=12, batch_size=8, lr=0.01, weight_decay=0.5, augment=noisy)
data = (IMAGES, LABELS)
result = fit(Spare(), loss, data, seed=generator(), micro_batch=3, **settings)
found = [torch.empty_like(weights(result.network)) for _ in range(dist.get_world_size())]
dist.all_gather(found, weights(result.network))
assert all(torch.equal(found[0], one) for one in found)
for change, words in (
    ({"batch_size": 7}, "batch_size must divide by the 2 processes, got 7"),
    ({"seed": rank}, "every process must be given the same network"),
    ({"network": nn.Sequential(Network(), nn.BatchNorm1d(2))}, "must not have batch norm"),
):
    try:
        fit(**dict(network=Spare(), loss=loss, data=data, seed=0) | settings | change)
    except ValueError as problem:
        assert words in str(problem), problem
    else:
        raise SystemExit(f"accepted: {change}")
if rank == 0:
    torch.save([found[0], result.losses], sys.argv[1])
dist.destroy_process_group()
"""


def test_two_processes_give_what_one_gives(tmp_path):
    script, told = tmp_path / "worker.py", tmp_path / "result"
    script.write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script), str(told)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found, losses = torch.load(told, weights_only=True)
    one = fit(
        *(Spare(), loss, (IMAGES, LABELS)),
        **SETTINGS | {"seed": generator(), "augment": noisy, "weight_decay": 0.5},
    )
    torch.testing.assert_close(losses, one.losses, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found, weights(one.network), rtol=1e-4, atol=1e-6)
    spare = one.network.spare.weight
    assert torch.equal(spare, Spare().spare.weight)  # nobody uses it, so it does not even decay
