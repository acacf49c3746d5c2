"""The table of options: one row an option, with its ini twin. Imported by every run; parsing stands in `options`."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest


class Option(NamedTuple):
    """``--torchscript-NAME`` and its ini twin."""

    name: str
    metavar: str
    help: str
    repeatable: bool = False

    @property
    def switch(self) -> bool:
        """Whether it takes no value."""
        return not self.metavar

    @property
    def flag(self) -> str:
        """How it is written on the command line."""
        return f"--torchscript-{self.name}"

    @property
    def dest(self) -> str:
        """Its name in the namespace of options."""
        return "torchscript_" + self.name.replace("-", "_")

    @property
    def ini(self) -> str:
        """Its name in an ini file."""
        return "torchscript_models" if self.name == "model" else self.dest


OPTIONS = (
    Option("model", "REF", "Check a model: Hub id, checkpoint directory or package.module:factory.", repeatable=True),
    Option("task", "TASK", "Build the model for a task of the export guide, such as masked-lm."),
    Option("weights", "KIND", "Weights to use: auto, pretrained, random, tiny, meta."),
    Option("backend", "NAME", "Export with this backend. Default: torchscript.", repeatable=True),
    Option("axis", "NAME=RANGE", "Narrow, widen or fix an axis: sequence=1:128, sequence=16.", repeatable=True),
    Option("anchor", "NAME=SIZE", "Trace at this size of an axis; INPUT=none leaves an input out.", repeatable=True),
    Option("artifact", "FILE", "Check this TorchScript file in place of a trace of ours."),
    Option("max-examples", "N", "Examples that hypothesis tries for an axis."),
    Option("rtol", "X", "Relative tolerance, in place of the calibrated one; needs atol."),
    Option("atol", "X", "Absolute tolerance, in place of the calibrated one; needs rtol."),
    Option("report", "PATH", "Write a report: .json, .md, .html or .png.", repeatable=True),
    Option("known-failures", "PATH", "TOML file of failures that are known and expected."),
    Option("trust-remote-code", "", "Run code that comes with a checkpoint."),
    Option("neuron", "MODE", "AWS Neuron: auto, require, compile, emulate, off."),
    Option(
        "neuron-option", "NAME=VALUE", "Option of a Neuron compilation: timeout=1800, compiler_args=…", repeatable=True
    ),
    Option("cache", "DIR", "Keep compiled artifacts in a folder."),
    Option("speed", "", "Compare the latency of eager and export too."),
)

MARKERS = (
    "torchscript(model=None, inputs=None, *, axes=None, **settings): what the torchscript fixtures check in this test",
    "neuron: the test needs a Neuron device and is skipped, with the reason, where there is none",
)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and its ini twin."""
    group = parser.getgroup("torchscript", "TorchScript exports against eager models")
    for option in OPTIONS:
        kinds: dict[str, Any] = {"action": "append" if option.repeatable else "store", "metavar": option.metavar}
        if option.switch:
            kinds = {"action": "store_true"}
        group.addoption(option.flag, dest=option.dest, default=None, help=option.help, **kinds)
        ini_type: Any = "linelist" if option.repeatable else "bool" if option.switch else "string"
        parser.addini(option.ini, f"See {option.flag}.", type=ini_type, default=[] if option.repeatable else None)


def any_given(config: pytest.Config) -> bool:
    """Whether the user gave any option, on the command line or in an ini file."""
    if any(config.getoption(option.dest, default=None) is not None for option in OPTIONS):
        return True
    try:
        return any(config.getini(option.ini) for option in OPTIONS)
    except (TypeError, ValueError, pytest.UsageError):
        return True  # reading them says what is malformed
