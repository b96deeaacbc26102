"""A stand-in accelerator: tensors that say they live on the device "standin" and hold real numbers.

Every operation checks that its tensors agree in device as CUDA does (CPU tensors of no dimension
and CPU indices into device tensors are allowed, nothing else), computes on the CPU and wraps what
comes out. So mistakes of two devices raise, `.item()` and loops until convergence work, and results
can be compared with the CPU's to the last bit. Generators belong to a device, as on CUDA.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "standin"
BACKEND = ModuleType(NAME)
BACKEND.is_available = lambda: True
BACKEND.device_count = lambda: 1
BACKEND.current_device = lambda: 0
BACKEND.is_initialized = lambda: True
BACKEND._is_in_bad_fork = lambda: False
BACKEND.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]
BACKEND.get_rng_state = lambda device=0: torch.empty(0, dtype=torch.uint8)  # it has none
BACKEND.set_rng_state = lambda state, device=0: None
BACKEND.manual_seed_all = lambda seed: None
_setup_privateuseone_for_python_backend(NAME, BACKEND)

DEVICE = torch.device(NAME, 0)
aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.equal.default}
JOINS = {aten.cat.default, aten.stack.default}
MOVES = {aten.copy_.default, aten._to_copy.default, aten._foreach_copy_.default}
INDEXES = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default}
INDEXES |= {aten._index_put_impl_.default, aten._unsafe_index.Tensor}


class Standin(torch.Tensor):
    """A tensor on the stand-in; `held` is the CPU's, which shares its memory with its views."""

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Standin:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=DEVICE,
            requires_grad=False,
        )
        made.held = held.detach() if held.requires_grad else held
        return made

    def __repr__(self) -> str:
        return f"Standin({self.held!r})"

    def __reduce_ex__(self, protocol):  # a file that is read with map_location="cpu"
        return self.held.__reduce_ex__(protocol)

    def __deepcopy__(self, memo):
        copied = Standin(self.held.clone()).requires_grad_(self.requires_grad)
        return (
            torch.nn.Parameter(copied, self.requires_grad)
            if isinstance(self, torch.nn.Parameter)
            else copied
        )

    def __format__(self, spec):
        return format(self.held, spec)

    def tolist(self):
        return self.held.tolist()

    def numpy(self, **_):
        raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu()")

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


def _split(values, there, here):
    """Sort the tensors of arguments into those of the device and those of the CPU."""
    for value in values:
        if isinstance(value, torch.Tensor):
            (there if isinstance(value, Standin) else here).append(value)
        elif isinstance(value, (list, tuple)):
            _split(value, there, here)


def _mapped(value, change):
    """A value, or a list or tuple of them, with its tensors changed; the rest as it is."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        changed = [_mapped(part, change) for part in value]
        named = hasattr(value, "_fields")
        return type(value)(*changed) if named else type(value)(changed)
    return value


def _bare(tensor):
    return tensor.held if isinstance(tensor, Standin) else tensor


def _wrapped(tensor):
    return tensor if isinstance(tensor, Standin) else Standin(tensor)


class Kind(NamedTuple):
    """What is asked of an operation each time."""

    indexes: bool
    joins: bool
    moves: bool
    reads: bool
    mutates: bool


@functools.cache
def kind(function) -> Kind:
    mutates = getattr(function, "_schema", None) is not None and function._schema.is_mutable
    return Kind(*(function in those for those in (INDEXES, JOINS, MOVES, READS)), mutates)


def run(function, args, kwargs):
    """One operation, as a device would do it or refuse it."""
    there, here = [], []
    what = kind(function)
    _split(args, there, here)
    if kwargs:
        _split(kwargs.values(), there, here)
    if what.indexes:  # indices may lie on the CPU, what they point into may not
        given = [args[0], *args[2:3]] if isinstance(args[0], Standin) else []
        mixed = there and (
            not given or any(not isinstance(t, Standin) and t.dim() for t in given[1:])
        )
    else:
        mixed = there and here and not what.moves and any(what.joins or t.dim() for t in here)
    if mixed:
        shapes = [[tuple(tensor.shape) for tensor in side] for side in (there, here)]
        raise RuntimeError(
            f"Expected all tensors to be on the same device: {function} has {shapes[0]} on "
            f"{DEVICE} and {shapes[1]} on the CPU"
        )
    asked = kwargs.get("device")
    goes = bool(there) if asked is None else torch.device(asked).type == NAME
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if there:
        bare_args = [_mapped(value, _bare) for value in args]
        kwargs = {name: _mapped(value, _bare) for name, value in kwargs.items()}
        out = function(*bare_args, **kwargs)
    else:
        out = function(*args, **kwargs)
    if there and what.mutates:  # what was changed in place is what comes back
        owners = {id(_bare(tensor)): tensor for tensor in (*there, *here)}
        out = _mapped(out, lambda tensor: owners.get(id(tensor), tensor))
        for tensor in there:
            if tensor.shape != tensor.held.shape:
                raise NotImplementedError(f"{function} changes the shape of its argument")
    return _mapped(out, _wrapped) if goes and not what.reads else out


class Mode(TorchDispatchMode):
    """Factories, which have no tensor to be recognised by."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and its wrapper costs as much as the operation

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


def _empty(size, stride, *, dtype=None, **_):
    return Standin(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def _copy(source, target, non_blocking=False):
    bare = [each.held if isinstance(each, Standin) else each for each in (source, target)]
    bare[1].copy_(bare[0])
    return target


# Lists as indices are moved to the device below any mode.
_kernels = torch.library.Library("aten", "IMPL")
_kernels.impl("empty_strided", _empty, "PrivateUse1")
_kernels.impl("_copy_from", _copy, "PrivateUse1")


PRODUCTS = {torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__}
QUANTILES = {torch.quantile, torch.Tensor.quantile}
MADE = {torch.Tensor.new_tensor, *QUANTILES}  # to be looked at even without keywords


class Makers(TorchFunctionMode):
    """`torch.tensor` and its kin, which move what they made below any other mode."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in PRODUCTS and args[0].dim() == 1 and args[1].dim() == 2:  # squeezes in place
            return function(args[1].mT, args[0])
        if not kwargs and function not in MADE:
            return function(*args)
        kwargs = dict(kwargs or {})
        if function is torch.Tensor.new_tensor and "device" not in kwargs:
            kwargs["device"] = args[0].device
            kwargs.setdefault("dtype", args[0].dtype)
            function, args = torch.tensor, args[1:]
        asked = kwargs.get("device")
        generator = kwargs.get("generator")
        if type(generator) is Generator:  # only here is it still the one that was passed
            of = args[0].device if args and isinstance(args[0], torch.Tensor) else asked
            place = torch.device(of or "cpu").type
            if generator.device.type != place:
                raise RuntimeError(
                    f"Expected a {place!r} device type for generator but found "
                    f"{generator.device.type!r}"
                )
        makes = function in (torch.tensor, torch.as_tensor) and asked is not None
        if makes and torch.device(asked).type == NAME:
            if isinstance(args[0], torch.Tensor):
                made = args[0].to(kwargs.get("dtype") or args[0].dtype)
            else:
                made = function(*args, **kwargs | {"device": "cpu"})
            return made.to(DEVICE)
        if function in QUANTILES:  # squeeze in place inside
            return run(function, args, kwargs)
        return function(*args, **kwargs)


class _Anywhere(type(torch.Generator)):
    def __instancecheck__(cls, instance):
        return type(instance) in (CPU_GENERATOR, Generator)


CPU_GENERATOR = torch.Generator


class Generator(torch.Generator, metaclass=_Anywhere):
    """A generator of the CPU or of the stand-in; both draw the same numbers from one seed."""

    def __new__(cls, device: torch.device | str = "cpu"):
        return super().__new__(cls)

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.place = torch.device(device)

    @property
    def device(self) -> torch.device:
        return self.place


@contextlib.contextmanager
def standin() -> Iterator[torch.device]:
    """The device, while it is there."""
    torch.Generator = Generator
    try:
        with Makers(), Mode():
            yield DEVICE
    finally:
        torch.Generator = CPU_GENERATOR
