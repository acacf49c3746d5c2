"""A checkpoint directory: read its configuration, find its weights, load them strictly.

Nothing is repaired here: a file that is missing, cut off or of another kind is a ModelError that names it. Pickles are
read with ``weights_only``; a checkpoint's own code runs only where the user allowed it.
"""

from __future__ import annotations

import json
import pickle
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_torchscript.common.archives import bomb
from pytest_torchscript.common.seeding import seeded
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import ModelError, did_you_mean, first_line
from pytest_torchscript.models.construct import require_buildable
from pytest_torchscript.versions import dtype_keyword, library_name

CONFIG = "config.json"
#: Files of weights as transformers looks for them, the safe ones first.
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")

_CONVERT_HINT = "convert it to safetensors with model.save_pretrained(directory, safe_serialization=True)"
_SAVE_HINT = "save it again with model.save_pretrained(directory)"
_RANDOM_HINT = "give --torchscript-weights random to check the architecture without its weights"
_TRUST_HINT = "give --torchscript-trust-remote-code to run the code that comes with it"


def read_config(directory: str, *, trust_remote_code: bool = False) -> Any:
    """Return the configuration of a checkpoint directory; ModelError where it is missing or not one."""
    _require_directory(directory)
    values = read_json(Path(directory, CONFIG))
    if "auto_map" not in values:
        _require_known_type(Path(directory, CONFIG), values.get("model_type"))
    return config_from_pretrained(directory, trust_remote_code=trust_remote_code)


def _require_known_type(path: Path, model_type: Any) -> None:
    import transformers

    if isinstance(model_type, str) and model_type in transformers.CONFIG_MAPPING:
        return
    raise ModelError(
        f"{path}: model_type={model_type!r} is no architecture that transformers {transformers.__version__} knows",
        hint=f"{did_you_mean(model_type, transformers.CONFIG_MAPPING)}install a release that has it",
    )


def _require_directory(directory: str) -> None:
    folder = Path(directory)
    if not folder.exists():
        raise ModelError(
            f"{directory}: no such directory",
            hint="check the path; a Hub id has at most one slash, and a factory has a colon",
        )
    if not folder.is_dir():
        raise ModelError(
            f"{directory}: is a file, not a checkpoint directory", hint="name the directory that holds config.json"
        )
    if not (folder / CONFIG).is_file():
        found = sorted(each.name for each in folder.iterdir())
        held = f"holds {', '.join(found[:5])}{' …' if len(found) > 5 else ''}" if found else "is empty"
        raise ModelError(f"{directory}: no {CONFIG}: the directory {held}", hint=_SAVE_HINT)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; ModelError where it does not parse or is not an object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: does not parse: {first_line(error)}", hint=_SAVE_HINT) from None
    if not isinstance(values, dict):
        raise ModelError(f"{path}: holds a {type(values).__name__}, not an object", hint=_SAVE_HINT)
    return values


def config_from_pretrained(source: str, *, trust_remote_code: bool) -> Any:
    """Return AutoConfig's reading of a directory or Hub id; ModelError with its reason."""
    auto_config = library_name("transformers", "AutoConfig", used_for="configurations")
    try:
        with quiet():
            return auto_config.from_pretrained(
                source, trust_remote_code=trust_remote_code, local_files_only=Path(source).is_dir()
            )
    except Exception as error:  # a configuration class may raise anything about its values
        raise config_error(source, error) from None


def config_from_dict(identifier: str, values: dict[str, Any]) -> Any:
    """Return the configuration that a dict with ``model_type`` describes."""
    known = library_name("transformers", "CONFIG_MAPPING", used_for="bundled configurations")
    try:
        with quiet():
            config = known[values["model_type"]].from_dict(dict(values))
            config.name_or_path = identifier
            return config
    except Exception as error:
        raise config_error(identifier, error) from None


def config_error(source: str, error: BaseException) -> ModelError:
    """Say why a configuration was refused."""
    text = str(error)
    if "trust_remote_code" in text:
        return ModelError(f"{source}: its configuration needs code of its own", hint=_TRUST_HINT)
    if isinstance(error, KeyError) or "does not recognize this architecture" in text:
        return ModelError(
            f"{source}: the installed transformers does not know its architecture: {first_line(error)}",
            hint="install a release of transformers that has it",
        )
    evidence = tuple(line.strip() for line in text.splitlines()[1:3] if line.strip())
    return ModelError(
        f"{source}: its configuration is refused: {first_line(error)}",
        evidence=evidence,
        hint=f"check the values in {CONFIG}, or save it again with config.save_pretrained(directory)",
    )


def weight_files(directory: str) -> Path | None:
    """Return the file of weights (or the index of its shards) that transformers would load, or None."""
    return next((path for path in (Path(directory, name) for name in WEIGHTS) if path.is_file()), None)


def require_weights(directory: str) -> Path:
    """Return the file of weights; ModelError where there is none, or where a shard of it is missing."""
    found = weight_files(directory)
    if found is None:
        names = ", ".join(sorted(each.name for each in Path(directory).iterdir())[:6])
        raise ModelError(f"{directory}: no weights: the directory holds {names}", hint=_RANDOM_HINT)
    if found.suffix == ".json":
        for shard in shards(found):
            if not Path(directory, shard).is_file():
                raise ModelError(f"{found}: lists {shard}, which is not there", hint=_RANDOM_HINT)
    return found


def shards(index: Path) -> list[str]:
    """Return the files that an index of shards lists."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{index}: lists no weights", hint=_SAVE_HINT)
    return sorted({str(name) for name in weight_map.values()})


def load_pretrained(model_class: type[Any], directory: str, config: Any, **kwargs: Any) -> tuple[nn.Module, list[str]]:
    """Return the module with a directory's weights in float32, and notes about parts that the file lacks.

    Strict: ModelError where a parameter of the architecture is not in the file, except a head or a pooler that is
    missing as a whole (transformers makes it up and so do we, with a note).
    """
    path = require_weights(directory)
    plan = require_buildable(model_class, config)
    _refuse_unsafe(path)
    dtype = {dtype_keyword(): torch.float32}
    try:
        with quiet(), seeded(0), torch.no_grad():
            loaded = model_class.from_pretrained(
                directory, config=config, output_loading_info=True, local_files_only=True, **dtype, **kwargs
            )
    except Exception as error:  # each format has its own exception for a broken file
        raise _load_error(path, error, plan) from None
    module, info = loaded
    return module, _judge(module, info, path)


def _refuse_unsafe(path: Path) -> None:
    """Refuse a pickle that torch's own reader of weights refuses: older releases of transformers load it otherwise.

    Read onto meta: nothing is kept of it.
    """
    if path.suffix != ".bin" and not path.name.endswith(".bin.index.json"):
        return
    for each in [path] if path.suffix == ".bin" else [path.parent / name for name in shards(path)]:
        swollen = bomb(each)
        if swollen:
            raise ModelError(f"{each}: {swollen}", hint=_CONVERT_HINT)
        if tarfile.is_tarfile(each):  # before 2.6 torch runs code in one whatever it is told
            raise ModelError(f"{each}: a tar archive, which torch before 2.6 cannot read safely", hint=_CONVERT_HINT)
        try:
            with quiet():
                torch.load(each, map_location="meta", weights_only=True)
        except pickle.UnpicklingError as error:
            with each.open("rb") as file:
                pickled = zipfile.is_zipfile(each) or file.read(1) == pickle.PROTO
            if not pickled:
                raise not_weights(each, first_line(error)) from None
            names = re.findall(r"(?:GLOBAL|class) ([\w.]+)", str(error))
            what = f"when loaded: {names[0]}" if names else "when loaded, or another kind of pickle than torch's"
            raise ModelError(f"{each}: a pickle that would run code {what}", hint=_CONVERT_HINT) from None
        except Exception as error:  # torch raises what it likes on garbage
            raise not_weights(each, first_line(error)) from None


def not_weights(path: Path, reason: str) -> ModelError:
    """Return the error of a file that holds no weights."""
    with path.open("rb") as file:
        start = file.read(40)
    if start.startswith(b"version https://git-lfs"):
        return ModelError(
            f"{path}: a git-lfs pointer: the weights themselves were not fetched", hint="run: git lfs pull"
        )
    return ModelError(f"{path}: not a file of weights, or cut off: {reason}", hint=_SAVE_HINT)


def _load_error(path: Path, error: BaseException, plan: nn.Module | None) -> ModelError:
    text = str(error)
    if "size mismatch" in text or "mismatched" in text:
        return ModelError(
            f"{path}: its tensors have other shapes than {CONFIG} says",
            evidence=_other_shapes(path, plan),
            hint=f"{CONFIG} and the weights must be of one model",
        )
    if "upgrade torch" in text or "CVE-" in text:
        return ModelError(
            f"{path}: transformers refuses to read pickles with this torch",
            hint="convert it to safetensors, or install torch 2.6 or newer",
        )
    if isinstance(error, ImportError):
        return ModelError(f"{path.parent}: cannot be built: {first_line(error)}", hint="install what the model needs")
    return not_weights(path, first_line(error))


def _other_shapes(path: Path, plan: nn.Module | None, limit: int = 3) -> tuple[str, ...]:
    """Name the tensors of a safetensors file that do not fit a module."""
    if plan is None or path.suffix != ".safetensors":
        return ()
    from safetensors import safe_open

    prefix = f"{getattr(plan, 'base_model_prefix', '')}."
    lines = []
    wanted = {name: tuple(tensor.shape) for name, tensor in plan.state_dict().items()}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            own = next((each for each in (name, name[len(prefix) :], prefix + name) if each in wanted), None)
            shape = tuple(file.get_slice(name).get_shape())
            if own is not None and shape != wanted[own]:
                lines.append(f"{name}: {shape} in the file, {wanted[own]} by {CONFIG}")
    return tuple(lines[:limit])


def _judge(module: nn.Module, info: dict[str, Any], path: Path) -> list[str]:
    """Return notes about what was loaded, or raise for what a pretrained model may not lack or leave over."""
    mismatched = list(info.get("mismatched_keys") or ())
    missing = _own_names(module, info.get("missing_keys") or ())
    unexpected = _own_names(module, info.get("unexpected_keys") or ())
    if mismatched:
        raise ModelError(
            f"{path}: {len(mismatched)} tensors have other shapes than {CONFIG} says",
            evidence=_first([str(each) for each in mismatched]),
            hint=f"{CONFIG} and the weights must be of one model",
        )
    made_up = _replaceable_parts(module, set(missing))
    lacking = [name for name in missing if not any(name.startswith(f"{part}.") for part in made_up)]
    if lacking:
        raise ModelError(
            f"{path}: lacks {len(lacking)} of the tensors that {type(module).__name__} needs",
            evidence=_first(lacking),
            hint=f"check that {CONFIG} and the weights are of one model, or give --torchscript-task",
        )
    left_over = [name for name in unexpected if _is_layer_beyond(module, name)]
    if left_over:
        raise ModelError(
            f"{path}: holds layers that {CONFIG} does not have: {len(left_over)} tensors",
            evidence=_first(left_over),
            hint=f"check the numbers of layers in {CONFIG}",
        )
    return _loading_notes(made_up, unexpected)


def _first(lines: list[str], limit: int = 3) -> tuple[str, ...]:
    return (*lines[:limit], *(("…",) if len(lines) > limit else ()))


def _own_names(module: nn.Module, keys: Any) -> list[str]:
    """Return names as the module has them: some releases report a base model's with the prefix they have in a file."""
    prefix = f"{getattr(module, 'base_model_prefix', '')}."
    strip = prefix != "." and not hasattr(module, prefix[:-1])
    return sorted(key[len(prefix) :] if strip and key.startswith(prefix) else key for key in keys)


def _is_layer_beyond(module: nn.Module, name: str) -> bool:
    """Whether a tensor belongs to an entry that one of the module's lists of layers does not have."""
    owner: Any = module
    for step in name.split("."):
        if isinstance(owner, (nn.ModuleList, nn.Sequential)) and step.isdigit() and int(step) >= len(owner):
            return True
        owner = getattr(owner, step, None)
        if not isinstance(owner, nn.Module):
            return False
    return False


def _loading_notes(made_up: list[str], unexpected: list[str]) -> list[str]:
    notes = []
    if made_up:
        notes.append(f"not in the checkpoint and made up: {', '.join(made_up)}")
    if unexpected:
        parts = sorted({name.split(".")[0] for name in unexpected})
        notes.append(
            f"in the checkpoint and not used by this class: {len(unexpected)} tensors of {', '.join(parts[:4])}"
        )
    return notes


def _replaceable_parts(module: nn.Module, missing: set[str]) -> list[str]:
    """Return the parts that are missing as a whole and may be: heads beside the base model, and a pooler."""
    prefix = getattr(module, "base_model_prefix", "")
    has_base = bool(prefix) and isinstance(getattr(module, prefix, None), nn.Module)
    parts = {f"{prefix}.pooler" if has_base else "pooler"}
    if has_base:
        parts |= {name for name, _ in module.named_children() if name != prefix}
    names = [name for name, _ in module.named_parameters()]  # tied ones once, under their first name
    owned = {part: {name for name in names if name.startswith(f"{part}.")} for part in sorted(parts)}
    return [part for part, own in owned.items() if own and own <= missing]
