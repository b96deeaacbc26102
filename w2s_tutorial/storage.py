"""What is kept between runs: keys and random streams made of content, whole files, provenance."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
import platform
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import w2s_tutorial


def content_key(*parts: object) -> str:
    """A name (32 hexadecimal digits of SHA-256) that changes when any byte of any part changes.

    Args:
        parts: tensors, arrays, `nn.Module`s (their printed structure, parameters and buffers),
            text, bytes, numbers, booleans, None, and sequences and mappings of these. Name a
            preprocessing by its settings.

    Raises:
        ValueError: for anything else: a function, say, has no content that could be compared.
    """
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()[:32]


def _feed(digest: hashlib._Hash, part: object) -> None:
    # Kind and length go before content, so that ("ab", "c") and ("a", "bc") differ.
    if isinstance(part, nn.Module):
        weights = [*part.named_parameters(), *part.named_buffers()]
        _feed(digest, ["module", repr(part), *(list(pair) for pair in weights)])
    elif isinstance(part, Tensor):
        whole = part.detach().cpu().contiguous()
        digest.update(f"tensor {whole.dtype} {tuple(whole.shape)}:".encode())
        digest.update(whole.reshape(-1).view(torch.uint8).numpy().data)
    elif isinstance(part, np.ndarray):
        _feed(digest, torch.from_numpy(np.ascontiguousarray(part)))
    elif isinstance(part, Mapping):
        _feed(digest, ["mapping", *map(list, part.items())])
    elif isinstance(part, Sequence) and not isinstance(part, str | bytes):
        digest.update(f"sequence {len(part)}:".encode())
        for item in part:
            _feed(digest, item)
    elif part is None or isinstance(part, str | bytes | bool | int | float):
        text = part if isinstance(part, bytes) else str(part).encode()
        digest.update(f"{type(part).__name__} {len(text)}:".encode() + text)
    else:
        raise ValueError(f"a key is made of tensors, modules, text and numbers, got {part!r}")


def code_key(function: Callable[..., object], *, strict: bool = False) -> str:
    """A name like `content_key`'s that changes with what a function does.

    That is its module and name, its code, defaults, what it closes over, a partial's arguments,
    and the functions and plain values that it reads from its own module; anything that is
    imported counts by name. Another version of Python compiles to another code.

    Args:
        function: a function, method, partial or callable object.
        strict: refuse what it reads from its module and what has no content that could be
            compared, such as a table; if not, the kind of such a value has to do.

    Raises:
        ValueError: for a callable that holds something without content that could be compared.
    """
    return content_key(_code(function, set(), strict))


def _code(value: object, seen: set[int], strict: bool) -> object:
    again = functools.partial(_code, seen=seen, strict=strict)
    if isinstance(value, functools.partial):
        return ["partial", again(value.func), again(value.args), again(value.keywords)]
    if inspect.ismethod(value):
        return ["method", again(value.__func__), again(value.__self__)]
    if inspect.isfunction(value):
        name = [value.__module__, value.__qualname__]
        if id(value) in seen:  # it calls itself
            return name
        seen.add(id(value))
        held = [value.__defaults__, value.__kwdefaults__]
        held += [cell.cell_contents for cell in value.__closure__ or ()]
        code = value.__code__
        return [*name, _compiled(code), again(held), _read(code, value.__globals__, seen, strict)]
    if isinstance(value, ModuleType):
        return ["module", value.__name__]
    if isinstance(value, type) or inspect.isroutine(value):
        told: list[object] = ["name", getattr(value, "__module__", None) or "", value.__qualname__]
        if told[1] == "__main__" and id(value) not in seen:  # a class of the notebook itself
            seen.add(id(value))
            told += [again(part) for part in vars(value).values() if inspect.isfunction(part)]
        return told
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return [[str(name), again(value[name])] for name in sorted(value, key=str)]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [again(item) for item in value]
    if not isinstance(value, nn.Module | Tensor) and hasattr(value, "__dict__"):
        if id(value) in seen:
            return "again"
        seen.add(id(value))
        return ["object", again(type(value)), again(vars(value))]
    content_key(plain := _plain(value))  # raises for what it cannot read
    return plain


def _compiled(code: CodeType) -> list[object]:
    # Sets come in an order that differs between processes; line numbers are left out.
    constants = [
        _compiled(part)
        if isinstance(part, CodeType)
        else repr(sorted(map(repr, part)) if isinstance(part, frozenset) else part)
        for part in code.co_consts
    ]
    return [code.co_code, list(code.co_names), list(code.co_varnames), constants]


def _read(code: CodeType, module: Mapping[str, object], seen: set[int], strict: bool) -> list[Any]:
    nested = [part for part in code.co_consts if isinstance(part, CodeType)]
    found: list[object] = [_read(part, module, seen, strict) for part in nested]
    for name in code.co_names:
        value = module.get(name)
        if inspect.isfunction(value) and value.__globals__ is not module:
            value = [value.__module__, value.__qualname__]
        try:
            found.append([name, _code(value, seen, strict)])
        except ValueError as problem:  # a logger, a table
            if strict:
                raise ValueError(
                    f"{name} must have content that can be compared: {problem}"
                ) from None
            found.append([name, str(type(value))])
    return found


def setting_key(setting: Mapping[str, Any]) -> str:
    """`content_key` of named values, the same whoever made the numbers and in whatever order.

    Args:
        setting: name -> number, text, None, tensor, array, dataclass, or sequences and mappings
            of these. 1 and numpy's 1 are the same, 1 and 1.0 are not.

    Raises:
        ValueError: for a value without content that could be compared, such as a function.
    """
    parts = []
    for name in sorted(setting):
        try:
            parts += [name, content_key(_plain(setting[name]))]
        except ValueError as problem:
            raise ValueError(f"{name} must have content that can be compared: {problem}") from None
    return content_key(*parts)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return [type(value).__qualname__, _plain(parts)]
    if isinstance(value, Mapping):
        return [[_plain(name), _plain(value[name])] for name in sorted(value, key=str)]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value


def generator_for(setting: Mapping[str, Any], *, seed: int = 0) -> torch.Generator:
    """A new CPU generator whose stream depends on the setting's content and on nothing else.

    It is the same in every process, on every machine and in any order of the settings. Two
    settings that should share their draws (the same data, two losses) name the same part.

    Args:
        setting: see `setting_key`.
        seed: another one gives another, independent set of streams.

    Raises:
        ValueError: as `setting_key`.
    """
    key = content_key(setting_key(setting), _plain(seed))
    return torch.Generator().manual_seed(int(key[:16], 16))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `path`, whole, when the block ends well.

    Whoever reads `path` meanwhile, or after a crash at any moment, finds the old file or the new
    one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield partial
        with partial.open("r+b") as written:  # on the disk before it gets the name
            os.fsync(written.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def save_tensors(path: Path | str, tensors: Mapping[str, Tensor], **facts: object) -> None:
    """Write named tensors as a safetensors file, with facts about them and a hash of both.

    Args:
        tensors: such as a network's `state_dict()`.
        facts: what a reader should know (how to build the network, command, versions, seed), as
            JSON can hold it.

    Raises:
        ValueError: if a value is NaN or infinite.
    """
    whole = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    _check_finite(path, whole)
    about = {"facts": facts, "content": _content(facts, whole)}
    with replacing(Path(path)) as partial:  # one entry: safetensors writes several in any order
        save_file(whole, partial, metadata={"about": json.dumps(about, sort_keys=True)})


def load_tensors(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts as `save_tensors` stored them, on the CPU.

    Raises:
        ValueError: if the file is damaged, was changed or not written by `save_tensors`, or holds
            NaN or infinity.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            about = json.loads((stored.metadata() or {}).get("about", "{}"))
            tensors = {name: stored.get_tensor(name).clone() for name in sorted(stored.keys())}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged, delete it or make it anew: {error}") from error
    facts = about.get("facts")
    if about.get("content") != _content(facts, tensors):
        raise ValueError(f"{path} must hold what its own hash says, it holds something else")
    _check_finite(path, tensors)
    return tensors, facts


def _content(facts: object, tensors: Mapping[str, Tensor]) -> str:
    return content_key(json.dumps(facts, sort_keys=True), tensors)


def _check_finite(path: Path | str, tensors: Mapping[str, Tensor]) -> None:
    wrong = [name for name, value in tensors.items() if not value.isfinite().all()]
    if wrong:
        raise ValueError(f"{path} must hold finite numbers, got NaN or infinity in {wrong}")


def save_arrays(path: Path | str, arrays: Mapping[str, Any], *, compressed: bool = False) -> None:
    """Write named arrays as npz, whole or not at all."""
    write = np.savez_compressed if compressed else np.savez
    with replacing(Path(path)) as partial, partial.open("wb") as target:
        write(target, **arrays)


def load_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read every array of an npz; nothing is unpickled.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or no npz.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise
    except Exception as problem:  # a damaged archive can fail in any part of its reader
        raise ValueError(f"{path} is damaged: {problem}") from problem


def save_json(path: Path | str, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON, whole or not at all.

    Raises:
        ValueError: if path does not end in .json.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"path must end in .json, got {path.name}")
    with replacing(path) as partial:
        partial.write_text(json.dumps(facts, indent=1) + "\n")


def describe(
    command: str,
    *,
    code: Iterable[ModuleType | Path] = (),
    files: Mapping[str, Path] | None = None,
    **told: Any,
) -> dict[str, Any]:
    """What a result's .json says: command, date, what the caller tells, machine, hashes.

    Args:
        command: what makes the result anew, such as "python data/dominoes/make.py".
        code: modules and files that decide the result; `source_sha256` is over all of them.
        files: name -> file whose content the result stands or falls with; their `sha256` by name.
        told: seed, steps, heads, seconds and whatever else belongs to it; `device`, if it is not
            the one that torch names.
    """
    threads = torch.get_num_threads()
    cpu = f"cpu, {platform.machine()}, {threads} thread{'s' if threads > 1 else ''}"
    facts: dict[str, Any] = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "package": w2s_tutorial.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
        **told,
    }
    sources = [part if isinstance(part, Path) else Path(str(part.__file__)) for part in code]
    if sources:
        facts["source_sha256"] = hashlib.sha256(
            b"".join(path.read_bytes() for path in sources)
        ).hexdigest()
    if files:
        facts["sha256"] = {
            name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
        }
    return facts
