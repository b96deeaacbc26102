"""Training spread over processes gives what one process gives."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
from conftest import ROOT
from training_case import IMAGES, LABELS, SETTINGS, Network, generator, loss, noisy, weights

from w2s_tutorial.networks.train import fit

WORKER = """
import os, sys, torch, torch.distributed as dist
sys.path.insert(0, "tests")
from training_case import *
from w2s_tutorial.networks.train import fit
torch.set_num_threads(1)
dist.init_process_group("gloo")
seen = []

def watched(network, images, labels):
    seen.append(len(images))
    return loss(network, images, labels)

settings = dict(steps=12, batch_size=8, lr=0.01, augment=noisy, micro_batch=3)
result = fit(Network(), watched, (IMAGES, LABELS), seed=generator(), **settings)
found = [torch.empty_like(weights(result.network)) for _ in range(dist.get_world_size())]
dist.all_gather(found, weights(result.network))
assert all(torch.equal(found[0], one) for one in found)
assert seen == [3, 1] * 12, seen
try:
    fit(Network(), loss, (IMAGES, LABELS), seed=generator(), steps=1, batch_size=7, lr=0.1)
except ValueError as problem:
    assert "batch_size must divide by the 2 processes, got 7" in str(problem)
else:
    raise SystemExit("an odd batch was accepted")
if dist.get_rank() == 0:
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
    one = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), augment=noisy, **SETTINGS)
    torch.testing.assert_close(losses, one.losses, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found, weights(one.network), rtol=1e-4, atol=1e-6)
