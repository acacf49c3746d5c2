"""What the Neuron libraries raise, in our words: which of their known failures this is, and what to do about it.

The texts are quoted from the vendor's documentation and issue threads; an exception that is not among them passes
through unchanged.
"""

from __future__ import annotations

import importlib
import re
import subprocess
from types import ModuleType

from pytest_torchscript.backends.neuron.generations import Generation
from pytest_torchscript.backends.neuron.packages import INDEX
from pytest_torchscript.errors import BackendError, first_line

_RUNTIME_HINT = "see that /dev/neuron* is passed to the container and no other process holds the cores (neuron-ls)"

#: A pattern in the text of an exception, what it means, and one hint.
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"No operations were successfully partitioned",
        "nothing on the device: no operation was partitioned and compiled",
        "read the compiler's log with workdir set; the operators it lists as [not supported] stay on the CPU",
    ),
    (
        r"Operator (\S+) is not supported",
        "an operator is not supported by the compiler",
        "rewrite it, or allow CPU work with fallback = true",
    ),
    (
        r"could not be initialized|cannot be initialized|Bad StatusOr access|PJRT_Client_Create|NRT_STATE|nrt_init",
        "the Neuron runtime could not start",
        _RUNTIME_HINT,
    ),
    (
        r"NeuronCore\(s\) not available|NC_BUSY|NRT_RESOURCE",
        "the NeuronCores are taken by another process",
        _RUNTIME_HINT,
    ),
    (
        r"please supply compiler argument target",
        "compiling without a device needs a target",
        "set target = inf2 (or trn1, trn1n, trn2) among the neuron options",
    ),
    (
        r"Unknown builtin op: neuron::|No such operator neuron::",
        "the artifact holds Neuron operators, and the library that defines them is not loaded",
        "load it where torch_neuron or torch_neuronx of the same generation is installed",
    ),
    (
        r"tensorflow\.GraphDef|exceeds maximum protobuf size",
        "the graph is larger than the 2 GB its file format allows",
        "split the model, or compile with separate weights",
    ),
    (r"NEFF version mismatch", "the runtime is older than the compiler", "install runtime and compiler of one release"),
    (r"module compiled against API version", "numpy is not the one the package was built for", "pip install 'numpy<2'"),
    (
        r"INFER_ERROR_SUBTYPE_NUMERICAL|COMPLETED_WITH_NUM_ERR",
        "a NaN arose while the device ran, which fails the call",
        "add --enable-saturate-infinity to the compiler's arguments, or look for a mask filled with the smallest float",
    ),
)


def explain(error: BaseException, *, timeout: float | None = None) -> BackendError | None:
    """Return a known failure in our words; None for one that is not known."""
    if isinstance(error, subprocess.TimeoutExpired):
        return _timed_out(error, timeout)
    text = str(error)
    for pattern, meaning, hint in _KNOWN:
        if re.search(pattern, text):
            return BackendError(meaning, evidence=[_telling_line(error, pattern)], hint=hint)
    if isinstance(error, subprocess.SubprocessError):
        return _compiler_failed(error)
    return None


def _timed_out(error: subprocess.TimeoutExpired, timeout: float | None) -> BackendError:
    seconds = timeout if timeout is not None else error.timeout
    return BackendError(
        f"the compiler timed out: not done after {seconds:g} s",
        evidence=[first_line(error)],
        hint="raise timeout among the neuron options, or compile on a larger machine",
    )


def _compiler_failed(error: BaseException) -> BackendError:
    killed = getattr(error, "returncode", 0) == -9 or re.search(r"(?:code|status|with) -9\b", str(error))
    if killed:
        meaning, hint = "the compiler was killed (-9): out of memory", "compile on a machine with more memory"
    else:
        meaning, hint = "the compiler failed", "set workdir among the neuron options and read the compiler's log there"
    return BackendError(meaning, evidence=[first_line(error)], hint=hint)


def _telling_line(error: BaseException, pattern: str) -> str:
    """Return the line of a text that matched: the interpreter of TorchScript puts many others before it."""
    line = next((line.strip() for line in str(error).splitlines() if re.search(pattern, line)), "")
    return f"{type(error).__name__}: {line}"[:300] if line else first_line(error)


def import_library(generation: Generation) -> ModuleType:
    """Import torch_neuron or torch_neuronx. BackendError where it is absent, a placeholder, or broken."""
    module, package = generation.library, generation.package
    try:
        return importlib.import_module(module)
    except Exception as error:
        if "WRONG PACKAGE" in str(error):
            message = f"package {package} is PyPI's placeholder, not the library"
        elif isinstance(error, ModuleNotFoundError) and error.name == module:
            message = f"package {package} is not installed"
        else:
            message = f"package {package} cannot be imported"
        hint = f"pip install 'pytest-torchscript[{generation.name}]' --extra-index-url {INDEX}"
        raise BackendError(message, evidence=[first_line(error)], hint=hint) from error
