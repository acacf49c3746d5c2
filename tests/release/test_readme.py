"""What the README shows, done: its broken model fails as printed, its links and options exist, it installs what CI does."""

from __future__ import annotations

import re
from pathlib import Path

import outside

from pytest_torchscript.backends.registry import backend_names
from pytest_torchscript.plugin.options import OPTIONS
from pytest_torchscript.settings import NEURON_MODES, WEIGHTS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """Return the README's code blocks of one kind."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [text for label, text in fenced if label == kind]


def test_the_broken_model_fails_as_shown(tmp_path: Path) -> None:
    (tmp_path / "encoders.py").write_text(blocks("python")[0], encoding="utf-8")
    node = "torchscript::encoders:encoder::test_axis[time]"
    result = outside.run_pytest(tmp_path, "-q", node)
    assert result.returncode == 1, result.stdout
    shown = next(block for block in blocks("") if "diverges" in block).splitlines()
    printed = result.stdout.replace(f"{tmp_path.resolve()}/", "").replace(f"{tmp_path}/", "")
    for line in (shown[0], *shown[2:]):
        assert line in printed
    assert "    output: max |actual - expected| = " in printed  # its numbers are each stack's own


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 5
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_every_option_is_listed() -> None:
    for option in OPTIONS:
        assert option.flag in README
    assert not set(re.findall(r"--torchscript-[a-z-]+", README)) - {option.flag for option in OPTIONS}
    for word in (*WEIGHTS, *NEURON_MODES):
        assert f"`{word}`" in README
    assert all(f"`{name}`" in README for name in backend_names())


def test_the_two_commands_install_what_ci_installs() -> None:
    commands = blocks("sh")
    assert len(commands) == 2
    files = re.findall(r"-c (constraints/\S+)", "".join(commands))
    assert files == ["constraints/current.txt"] * 2
    assert '"3.11": "current"' in (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert (ROOT / files[0]).is_file()
