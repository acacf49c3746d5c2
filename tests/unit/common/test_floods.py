from __future__ import annotations

import logging
import sys

import pytest

from pytest_torchscript.common.floods import CHARACTERS, RECORDS, bounded


def test_what_is_printed_is_cut_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    before = sys.stdout, sys.stderr
    with bounded(told.append):
        for _ in range(3):
            print("x" * CHARACTERS)
        print("few words", file=sys.stderr, flush=True)
    assert (sys.stdout, sys.stderr) == before
    printed = capsys.readouterr()
    assert (len(printed.out), printed.err) == (CHARACTERS, "few words\n")
    assert told == ["prints more than 100,000 characters"]


def test_records_are_dropped_and_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    logger = logging.getLogger("zoo")
    with bounded(told.append):
        for number in range(RECORDS + 50):
            logger.warning("record %d", number)
    assert len(caplog.records) <= RECORDS
    assert told == ["logs more than 1,000 records"]
    logger.warning("and afterwards")
    assert caplog.records[-1].message == "and afterwards"


def test_a_few_words_are_no_flood(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    with bounded(told.append):
        print("hello")
        logging.getLogger("zoo").warning("hello")
    assert (told, capsys.readouterr().out) == ([], "hello\n")
