"""The one table of real data sets: addresses, content hashes, licences, whom to cite.

A hash is given only where it was computed from the data or is published; where there is none the
loader verifies what it reads (Waterbirds: its group counts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from w2s_tutorial.datasets.downloads import File


@dataclass(frozen=True)
class Dataset:
    """A data set: files by role, where it comes from, under which terms, whom to cite."""

    homepage: str
    licence: str
    citation: str
    files: Mapping[str, File] = field(default_factory=dict)


_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)
_MOLECULES = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/"

_CIFAR10 = File(
    "cifar-10-python.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    "md5:c58f30108f718f92721af3b95e74349a",
    170498071,
)
_SST2 = File(
    "text/SST-2.zip",
    (
        "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
        "https://bj.bcebos.com/dataset/glue/SST.zip",
    ),
    "md5:9f81648d4199384278b86e315dac217c",
)


def _idx(folder: str, mirrors: tuple[str, ...], *described: tuple[int, str]) -> dict[str, File]:
    """The four idx files; described: bytes to download and MD5 after gunzip of each."""
    names = {
        "train images": "train-images-idx3-ubyte",
        "train labels": "train-labels-idx1-ubyte",
        "test images": "t10k-images-idx3-ubyte",
        "test labels": "t10k-labels-idx1-ubyte",
    }
    return {
        role: File(f"{folder}/{name}", tuple(f"{m}{name}.gz" for m in mirrors), f"md5:{md5}", size)
        for (role, name), (size, md5) in zip(names.items(), described, strict=True)
    }


def _batch(name: str, md5: str) -> File:
    path = f"cifar-10-batches-py/{name}"
    return File(path, hash=f"md5:{md5}", archive=_CIFAR10, member=path)


def _sst2(path: str, member: str, sha256: str) -> File:
    return File(f"text/{path}", hash=f"sha256:{sha256}", archive=_SST2, member=f"SST-2/{member}")


def _molecules(path: str, name: str, sha256: str) -> dict[str, File]:
    return {"table": File(f"molecules/{path}", (_MOLECULES + name,), f"sha256:{sha256}")}


CATALOG: dict[str, Dataset] = {
    "mnist": Dataset(
        "http://yann.lecun.com/exdb/mnist/",
        "CC BY-SA 3.0 as usually stated",
        "LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document "
        "recognition, Proceedings of the IEEE 86(11)",
        _idx(
            "mnist",
            _MNIST_MIRRORS,
            (9912422, "6bbc9ace898e44ae57da46a324031adb"),
            (28881, "a25bea736e30d166cdddb491f175f624"),
            (1648877, "2646ac647ad5339dbf082846283269ea"),
            (4542, "27ae3e4e09519cfbb04c329615203637"),
        ),
    ),
    "fashion_mnist": Dataset(
        "https://github.com/zalandoresearch/fashion-mnist",
        "MIT",
        "Xiao, Rasul, Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747",
        _idx(
            "fashion_mnist",
            _FASHION_MIRRORS,
            (26421880, "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
            (29515, "9018921c3c673c538a1fc5bad174d6f9"),
            (4422102, "8181f5470baa50b63fa0f6fddb340f0a"),
            (5148, "15d484375f8d13e6eb1aabb0c3f46965"),
        ),
    ),
    "cifar10": Dataset(
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "none stated; the authors ask for the citation",
        "Krizhevsky (2009), Learning multiple layers of features from tiny images, tech report",
        {
            "train 1": _batch("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            "train 2": _batch("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            "train 3": _batch("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            "train 4": _batch("data_batch_4", "634d18415352ddfa80567beed471001a"),
            "train 5": _batch("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
            "test 1": _batch("test_batch", "40351d587109b95175f43aff81a1287e"),
        },
    ),
    "waterbirds": Dataset(
        "https://github.com/kohpangwei/group_DRO",
        "non-commercial research",
        "Sagawa, Koh, Hashimoto, Liang (2020), Distributionally robust neural networks, "
        "arXiv:1911.08731; images from CUB-200-2011 (Wah et al. 2011) and Places (Zhou et al. "
        "2017)",
        {
            "archive": File(
                "waterbirds/waterbird_complete95_forest2water2.tar.gz",
                (
                    "https://nlp.stanford.edu/data/dro/waterbird_complete95_forest2water2.tar.gz",
                    "https://worksheets.codalab.org/rest/bundles/"
                    "0x505056d5cdea4e4eaa0e242cbfe2daa4/contents/blob/",
                ),
            )
        },
    ),
    "utkface": Dataset(
        "https://susanqq.github.io/UTKFace/",
        "non-commercial research",
        "Zhang, Song, Qi (2017), Age progression/regression by conditional adversarial "
        "autoencoder, CVPR, arXiv:1702.08423",
    ),
    "sst2": Dataset(
        "https://nlp.stanford.edu/sentiment/",
        "research",
        "Socher et al. (2013), Recursive deep models for semantic compositionality over a "
        "sentiment treebank, EMNLP; split of GLUE, Wang et al. (2019), arXiv:1804.07461",
        {
            "train": _sst2(
                "sst2_train.tsv",
                "train.tsv",
                "48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1",
            ),
            "validation": _sst2(
                "sst2_dev.tsv",
                "dev.tsv",
                "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
            ),
        },
    ),
    "esol": Dataset(
        "https://moleculenet.org",
        "not stated upstream: download, do not redistribute",
        "Delaney (2004), ESOL, J. Chem. Inf. Comput. Sci. 44(3); MoleculeNet, Wu et al. (2018), "
        "arXiv:1703.00564",
        _molecules(
            "ESOL_delaney-processed.csv",
            "delaney-processed.csv",
            "8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189",
        ),
    ),
    "freesolv": Dataset(
        "https://github.com/MobleyLab/FreeSolv",
        "not stated with this copy: download, do not redistribute",
        "Mobley, Guthrie (2014), FreeSolv, J. Comput.-Aided Mol. Des. 28(7); MoleculeNet, Wu et "
        "al. (2018), arXiv:1703.00564",
        _molecules(
            "FreeSolv_SAMPL.csv",
            "SAMPL.csv",
            "ab5895d914ee87cb563bd7b9611e869527bba45bec6b014d34dc495a0f9dcb72",
        ),
    ),
    "lipophilicity": Dataset(
        "https://moleculenet.org",
        "not stated upstream: download, do not redistribute",
        "Hersey (2015), ChEMBL deposited data set AZ_dataset; MoleculeNet, Wu et al. (2018), "
        "arXiv:1703.00564",
        _molecules(
            "Lipophilicity.csv",
            "Lipophilicity.csv",
            "aed41590cb30609d51d8e08ad3ff06495a76e80e211358801f596b10da69bacd",
        ),
    ),
}
