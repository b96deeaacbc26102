"""The published backbones, from small configurations with random weights: no download."""

from __future__ import annotations

import pytest
import torch
from pretrained_case import file_of, photographs

from w2s_tutorial.networks import pretrained as module
from w2s_tutorial.networks.features import extract
from w2s_tutorial.networks.pretrained import CHECKPOINTS, Preprocessing, Pretrained, pretrained
from w2s_tutorial.storage import content_key

transformers = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")

SMALL_TRANSFORMER = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
)
CONFIGURATIONS = {
    "resnet18": lambda: transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic"
    ),
    "clip": lambda: transformers.CLIPVisionConfig(
        **SMALL_TRANSFORMER, patch_size=32, projection_dim=10
    ),
    "convnext": lambda: transformers.ConvNextConfig(
        hidden_sizes=[8, 8, 12, 20], depths=[1, 1, 1, 1]
    ),
    "dinov2": lambda: transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, patch_size=14
    ),
    "mae": lambda: transformers.ViTMAEConfig(**SMALL_TRANSFORMER, patch_size=32),
}
CONFIGURATIONS |= dict.fromkeys(("dinov2-base", "dinov2-small"), CONFIGURATIONS["dinov2"])
WIDTHS = {"resnet18": 12, "clip": 10, "convnext": 20, "mae": 16}
WIDTHS |= dict.fromkeys(("dinov2", "dinov2-base", "dinov2-small"), 16)
SHORT = {"shortest_edge": 224}
# The published sizes, and the files that describe each checkpoint's input.
FULL = {
    "resnet18": lambda: transformers.ResNetConfig(
        depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic"
    ),
    "clip": lambda: transformers.CLIPVisionConfig(),
    "convnext": lambda: transformers.ConvNextConfig(
        hidden_sizes=[192, 384, 768, 1536], depths=[3, 3, 27, 3]
    ),
    "dinov2": lambda: transformers.Dinov2Config(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, patch_size=14
    ),
    "dinov2-base": lambda: transformers.Dinov2Config(patch_size=14),
    "dinov2-small": lambda: transformers.Dinov2Config(
        hidden_size=384, num_attention_heads=6, patch_size=14
    ),
    "mae": lambda: transformers.ViTMAEConfig(),
}


def small(name: str) -> Pretrained:
    model = getattr(transformers, CHECKPOINTS[name].model)(CONFIGURATIONS[name]())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    return Pretrained(name, model).eval()


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_small_configuration_end_to_end(name):
    backbone = small(name)
    images = photographs(70, 90)
    state = torch.get_rng_state()
    features = extract(backbone, images, dtype=torch.float32, batch_size=2)
    assert features.shape == (3, WIDTHS[name])
    assert torch.equal(torch.get_rng_state(), state)  # no masking drawn at random
    assert features.std(0).max() > 1e-3  # the images differ
    one_by_one = torch.cat(
        [extract(backbone, image[None], dtype=torch.float32) for image in images]
    )
    torch.testing.assert_close(features, one_by_one, rtol=1e-4, atol=1e-5)


def test_masked_autoencoder_sees_every_patch():
    backbone = small("mae")
    pixels = backbone.checkpoint.preprocessing(photographs(224, 224, n=1)).requires_grad_()
    backbone.checkpoint.read(backbone.model, pixels).sum().backward()
    blocks = torch.nn.functional.avg_pool2d(pixels.grad.abs().sum(1), 32)
    assert (blocks > 0).all()
    # The control: with its usual three quarters hidden, as many have no gradient.
    backbone.model.config.mask_ratio = 0.75
    pixels.grad = None
    backbone.checkpoint.read(backbone.model, pixels).sum().backward()
    blocks = torch.nn.functional.avg_pool2d(pixels.grad.abs().sum(1), 32)
    assert (blocks == 0).sum() == 37  # of 49


def test_order_of_patches_without_masking_does_not_matter():
    backbone = small("mae")
    pixels = backbone.checkpoint.preprocessing(photographs(224, 224))
    kept = backbone.checkpoint.read(backbone.model, pixels)
    noise = torch.rand(3, 49, generator=torch.Generator().manual_seed(3))
    shuffled = backbone.model(pixels, noise=noise).last_hidden_state[:, 0]
    torch.testing.assert_close(kept, shuffled, rtol=1e-4, atol=1e-5)


def test_key_names_the_preprocessing():
    before = content_key(small("convnext"))
    assert content_key(small("convnext")) == before
    changed = small("convnext")
    object.__setattr__(
        changed.checkpoint, "preprocessing", Preprocessing(256, 224, mode="bilinear")
    )
    try:
        assert content_key(changed) != before
    finally:
        object.__setattr__(changed.checkpoint, "preprocessing", Preprocessing(256, 224))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_published_widths(name):
    checkpoint = CHECKPOINTS[name]
    with torch.device("meta"):  # shapes only, no memory
        backbone = Pretrained(name, getattr(transformers, checkpoint.model)(FULL[name]())).eval()
        pixels = torch.empty(1, 3, 224, 224)
        with torch.no_grad():
            assert checkpoint.read(backbone.model, pixels).shape == (1, checkpoint.width)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_pretrained_asks_for_the_published_model(name, monkeypatch):
    asked = []
    kind = getattr(transformers, CHECKPOINTS[name].model)

    def load(address, **options):
        asked.append((address, options))
        return kind(CONFIGURATIONS[name]()).train()

    processor = transformers.image_processing_utils.BaseImageProcessor
    monkeypatch.setattr(kind, "from_pretrained", load)
    monkeypatch.setattr(
        processor, "get_image_processor_dict", lambda address, **options: (file_of(name), {})
    )
    backbone = pretrained(name, revision="main")
    assert asked == [(CHECKPOINTS[name].address, {"revision": "main"})]
    assert not any(part.training for part in backbone.modules())

    assert pretrained(CHECKPOINTS[name].address).checkpoint is CHECKPOINTS[name]

    changes = [{"resample": 1}, {"size": 300}, {"image_mean": [0.5] * 3}, {"crop_size": 200}]
    changes += [{"crop_size": {"height": 224, "width": 200}}]
    shape = CHECKPOINTS[name].preprocessing.short_side
    # The same number, but squeezed where the shape was kept, or the reverse.
    changes += [{"size": {"height": shape, "width": shape}} if shape else {"size": SHORT}]
    for change in changes:
        told = file_of(name) | change
        monkeypatch.setattr(
            processor, "get_image_processor_dict", lambda address, told=told: (told, {})
        )
        with pytest.warns(UserWarning, match="now describes another preprocessing"):
            pretrained(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("clip", {"size": SHORT, "crop_size": {"height": 224, "width": 224}}),
        ("convnext", {"size": SHORT}),  # and says nothing of crop_pct
        ("mae", {"size": {"height": 224, "width": 224}}),
        ("mae", {"size": {"height": 224, "width": 224}, "crop_size": 256, "do_center_crop": False}),
        ("dinov2", {"crop_size": 224}),
    ],
)
def test_other_words_for_the_same_preprocessing_are_understood(name, told, recwarn):
    told = {k: v for k, v in file_of(name).items() if k != "crop_pct"} | told
    module._compare(CHECKPOINTS[name], told)
    assert not recwarn.list


def test_pretrained_refuses_other_names():
    told = r"one of resnet18 \(microsoft/resnet-18\), .*, mae \(.*\), got 'vgg'"
    with pytest.raises(ValueError, match=told):
        pretrained("vgg")
