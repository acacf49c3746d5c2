from __future__ import annotations

import io
import json
import os
import pickle
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_bert import SMALL, keep_tensors, set_config

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.blueprint import plan_model
from pytest_torchscript.models.checkpoint import _refuse_unsafe
from pytest_torchscript.models.reference import parse_reference
from pytest_torchscript.models.resolve import LoadedModel, build_model
from pytest_torchscript.settings import Settings

Break = Callable[[Path], Any]


def load(directory: str, **settings: Any) -> LoadedModel:
    chosen = Settings(**settings)
    return build_model(plan_model(parse_reference(directory), chosen), chosen)


class Evil:
    def __reduce__(self) -> Any:
        return (os.system, ("touch evil_ran",))


def only_bin(folder: Path) -> Path:
    (folder / "model.safetensors").unlink()
    return folder / "pytorch_model.bin"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_bin(folder: Path) -> None:
    path = only_bin(folder)
    torch.save({"a": torch.zeros(1000)}, path)
    cut(path)


def sharded(folder: Path, content: Any) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))


def test_pretrained_weights_are_those_of_the_file(whole: Path) -> None:
    from safetensors.torch import load_file

    loaded = load(str(whole), weights="pretrained")
    assert loaded.blueprint.weights == "pretrained"
    assert loaded.blueprint.class_name == "BertModel"
    assert loaded.notes == ()
    assert not loaded.module.training
    stored = load_file(whole / "model.safetensors")
    for name, parameter in loaded.module.named_parameters():
        assert torch.equal(parameter, stored[name])


def test_auto_takes_the_weights_of_the_directory(whole: Path) -> None:
    assert load(str(whole)).blueprint.weights == "pretrained"


def test_a_safe_pickle_is_loaded(broken: Callable[[Break], str], whole: Path) -> None:
    from safetensors.torch import load_file

    def convert(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        torch.save(state, only_bin(folder))

    assert load(broken(convert)).blueprint.weights == "pretrained"


def test_bfloat16_is_checked_in_float32(broken: Callable[[Break], str]) -> None:
    from safetensors.torch import load_file, save_file

    def halve(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(
            {name: tensor.bfloat16() for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"}
        )
        set_config(folder, torch_dtype="bfloat16", dtype="bfloat16")

    directory = broken(halve)
    for weights in ("pretrained", "random"):
        dtypes = {parameter.dtype for parameter in load(directory, weights=weights).module.parameters()}
        assert dtypes == {torch.float32}


BROKEN: list[tuple[str, Break, str]] = [
    ("config is a list", lambda f: (f / "config.json").write_text("[1]"), "config.json: holds a list, not an object"),
    ("config does not parse", lambda f: (f / "config.json").write_text("{no"), "config.json: does not parse"),
    ("config is binary", lambda f: (f / "config.json").write_bytes(b"\xc9\xff\x00"), "config.json: does not parse"),
    ("no model_type", lambda f: set_config(f, model_type=None), "model_type=None is no architecture"),
    ("model_type a number", lambda f: set_config(f, model_type=3), "model_type=3 is no architecture"),
    ("model_type unknown", lambda f: set_config(f, model_type="brt"), "model_type='brt' is no architecture"),
    ("width a string", lambda f: set_config(f, hidden_size="big"), "configuration"),
    ("layers a list", lambda f: set_config(f, num_hidden_layers=[1]), "configuration"),
    ("width null", lambda f: set_config(f, hidden_size=None), "configuration"),
    ("heads do not divide", lambda f: set_config(f, num_attention_heads=5), "cannot be built from its configuration"),
    ("no weights", lambda f: (f / "model.safetensors").unlink(), "no weights: the directory holds config.json"),
    (
        "no configuration",
        lambda f: (f / "config.json").unlink(),
        "no config.json: the directory holds model.safetensors",
    ),
    ("truncated", lambda f: cut(f / "model.safetensors"), "not a file of weights, or cut off"),
    ("garbage", lambda f: (f / "model.safetensors").write_bytes(bytes(range(256))), "not a file of weights"),
    ("empty file", lambda f: (f / "model.safetensors").write_bytes(b""), "not a file of weights"),
    ("text as pickle", lambda f: only_bin(f).write_text("hello, no weights"), "not a file of weights"),
    ("truncated pickle", cut_bin, "not a file of weights, or cut off"),
    ("a list as pickle", lambda f: torch.save([1, 2], only_bin(f)), "not a file of weights"),
    (
        "git-lfs pointer",
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
        "git-lfs",
    ),
    ("git-lfs pickle", lambda f: only_bin(f).write_text("version https://git-lfs.github.com/spec/v1\n"), "git-lfs"),
    ("evil pickle", lambda f: torch.save({"x": Evil()}, only_bin(f)), "a pickle that would run code"),
    ("evil old pickle", lambda f: only_bin(f).write_bytes(pickle.dumps({"x": Evil()})), "a pickle that would run code"),
    ("other width", lambda f: set_config(f, hidden_size=64), "have other shapes than config.json says"),
    ("more layers", lambda f: set_config(f, num_hidden_layers=3), "lacks 32 of the tensors that BertModel needs"),
    ("fewer layers", lambda f: set_config(f, num_hidden_layers=0), "holds layers that config.json does not have: 16"),
    (
        "one tensor missing",
        lambda f: keep_tensors(f, lambda name: "self.query.weight" not in name),
        "lacks 1 of the tensors",
    ),
    ("half a pooler", lambda f: keep_tensors(f, lambda name: name != "pooler.dense.bias"), "lacks 1 of the tensors"),
    (
        "missing shard",
        lambda f: sharded(f, {"weight_map": {"a": "model-1-of-2.safetensors"}}),
        "lists model-1-of-2.safetensors",
    ),
    ("empty index", lambda f: sharded(f, {"weight_map": {}}), "lists no weights"),
    ("index is a list", lambda f: sharded(f, []), "holds a list, not an object"),
    (
        "own code",
        lambda f: set_config(f, model_type="own", auto_map={"AutoConfig": "own.Config"}),
        "needs code of its own",
    ),
]


@pytest.mark.parametrize(("breaks", "message"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_checkpoints(
    broken: Callable[[Break], str],
    breaks: Break,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = broken(breaks)
    for weights in ("auto", "pretrained"):
        with pytest.raises(ModelError) as caught:
            load(directory, weights=weights)
        assert message in caught.value.message
        assert "\n" not in caught.value.message
        assert caught.value.hint
    assert not Path("evil_ran").exists()
    assert capfd.readouterr() == ("", "")


def test_directories_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name, message in (("empty", "is empty"), ("file", "is a file"), ("gone", "no such directory")):
        with pytest.raises(ModelError, match=message):
            load(str(tmp_path / name) if name != "gone" else f"./{name}")


def test_without_weights_the_configuration_is_enough(broken: Callable[[Break], str]) -> None:
    directory = broken(lambda folder: (folder / "model.safetensors").unlink())
    for weights in ("random", "tiny", "meta"):
        assert load(directory, weights=weights).blueprint.weights == weights


def test_a_missing_pooler_is_made_up_and_said(broken: Callable[[Break], str]) -> None:
    loaded = load(broken(lambda folder: keep_tensors(folder, lambda name: "pooler" not in name)))
    assert loaded.notes == ("not in the checkpoint and made up: pooler",)
    again = load(loaded.blueprint.reference)
    assert torch.equal(loaded.module.pooler.dense.weight, again.module.pooler.dense.weight)  # type: ignore[union-attr, arg-type]


def test_a_fine_tuned_head_is_the_task_of_its_checkpoint(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    BertForSequenceClassification(BertConfig(**SMALL)).save_pretrained(tmp_path / "head")
    loaded = load(str(tmp_path / "head"))
    assert loaded.blueprint.task == "sequence-classification"
    assert type(loaded.module) is BertForSequenceClassification


def test_a_head_that_is_left_out_or_made_up_is_said(whole: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    BertForMaskedLM(BertConfig(**SMALL)).save_pretrained(tmp_path / "head")
    notes = " ".join(load(str(tmp_path / "head")).notes)
    assert "saved from BertForMaskedLM, checked as BertModel" in notes
    assert "--torchscript-task masked-lm" in notes
    assert "not used by this class:" in notes
    loaded = load(str(whole), task="sequence-classification")
    assert loaded.notes == ("not in the checkpoint and made up: classifier",)


def test_own_code_runs_only_on_request(
    broken: Callable[[Break], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))

    def own_code(folder: Path) -> None:
        set_config(folder, model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModel": "own.Model"})
        (folder / "own.py").write_text(
            "import pathlib\npathlib.Path('own_ran').touch()\n"
            "import torch\nfrom transformers import PretrainedConfig, PreTrainedModel\n"
            "class Own(PretrainedConfig):\n    model_type = 'own'\n"
            "class Model(PreTrainedModel):\n    config_class = Own\n"
            "    def __init__(self, config):\n"
            "        super().__init__(config)\n        self.layer = torch.nn.Linear(3, 4)\n        self.post_init()\n"
            "    def _init_weights(self, module):\n        pass\n"
            "    def forward(self, x):\n        return self.layer(x)\n"
        )

    directory = broken(own_code)
    with pytest.raises(ModelError, match="needs code of its own") as caught:
        load(directory, weights="random")
    assert "--torchscript-trust-remote-code" in caught.value.hint
    assert not Path("own_ran").exists()
    loaded = load(directory, weights="random", trust_remote_code=True)
    assert loaded.blueprint.class_name == "Model"
    assert loaded.parameters == 16
    assert Path("own_ran").exists()


class LoadsMore:
    """Names nothing but torch, whose `load` runs whatever the second file holds."""

    def __reduce__(self) -> Any:
        return torch.load, ("second.bin",)


def as_tar(path: Path) -> None:
    code = pickle.dumps(Evil())
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("pickle")
        entry.size = len(code)
        archive.addfile(entry, io.BytesIO(code))


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: torch.save({"x": Evil()}, path), f"run code when loaded: {os.system.__module__}.system"),
        (lambda path: torch.save({"x": LoadsMore()}, path), "run code when loaded: torch.serialization.load"),
        (lambda path: torch.save(torch.nn.Linear(2, 2), path), "run code when loaded: torch.nn.modules.linear.Linear"),
        (lambda path: path.write_bytes(pickle.dumps(Evil(), protocol=4)), "run code when loaded, or another kind"),
        (as_tar, "a tar archive, which torch before 2.6 cannot read safely"),
    ],
    ids=["system", "torch.load", "a module", "a plain pickle", "tar"],
)
def test_what_a_pickle_would_run_is_named_and_never_run(
    tmp_path: Path, write: Callable[[Path], Any], said: str
) -> None:
    path = tmp_path / "pytorch_model.bin"
    write(path)
    with pytest.raises(ModelError, match=re.escape(said)) as caught:
        _refuse_unsafe(path)
    assert caught.value.hint.startswith("convert it to safetensors")
    assert not Path("evil_ran").exists()


@pytest.mark.parametrize("new_format", [True, False])
def test_a_pickle_of_weights_is_let_through(tmp_path: Path, new_format: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    state = torch.nn.BatchNorm1d(3).bfloat16().state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=new_format)
    _refuse_unsafe(path)
