"""What libraries say is not shown, and everything that was switched off is on again."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings

import pytest

from pytest_torchscript.common.silence import mute, quiet


def test_quiet_silences_and_restores(capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging as transformers_logging

    logger = transformers_logging.get_logger("transformers.models.bert")
    level = logging.getLogger("transformers").level
    bars = transformers_logging.is_progress_bar_enabled()
    with quiet():
        logger.warning("not shown")
        warnings.warn("not shown", stacklevel=1)
        assert not transformers_logging.is_progress_bar_enabled()
    assert capfd.readouterr().err == ""
    assert logging.getLogger("transformers").level == level
    assert transformers_logging.is_progress_bar_enabled() == bars
    with pytest.warns(UserWarning, match="shown"):
        warnings.warn("shown", stacklevel=1)


def test_an_exception_leaves_nothing_switched_off() -> None:
    before = list(warnings.filters), warnings.showwarning, logging.getLogger("timm").level
    with pytest.raises(ValueError, match="mine"), quiet():
        raise ValueError("mine")
    assert (list(warnings.filters), warnings.showwarning, logging.getLogger("timm").level) == before


@quiet()
def speaks() -> int:
    warnings.warn("not shown", stacklevel=1)
    return 3


def test_a_function_can_be_silenced_as_a_whole_and_more_than_once() -> None:
    assert [speaks(), speaks()] == [3, 3]


def test_warnings_of_one_kind_are_handed_on() -> None:
    told: list[str] = []
    with quiet(told=told.append, category=DeprecationWarning):
        for _ in range(2):
            warnings.warn("old", DeprecationWarning, stacklevel=1)
            warnings.warn("other", UserWarning, stacklevel=1)
    assert told == ["old", "old"]


@pytest.mark.process
def test_nothing_is_imported_to_be_silenced() -> None:
    program = (
        "import sys; from pytest_torchscript.common.silence import quiet\n"
        "with quiet(): pass\n"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_muted_torch_says_nothing_whatever_level_its_loggers_have(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tracer = logging.getLogger("torch.__of_its_own_level")
    tracer.setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG), mute():
        tracer.debug("compiled")
        tracer.error("refused")
        print("a graph")
    assert (caplog.records, capfd.readouterr()) == ([], ("", ""))
    assert tracer.level == logging.DEBUG
    tracer.setLevel(logging.NOTSET)
