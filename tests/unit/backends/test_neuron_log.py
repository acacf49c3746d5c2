from __future__ import annotations

import logging

import pytest

from pytest_torchscript.backends.neuron.log import (
    NOTHING,
    ON_DEVICE,
    PARTLY,
    UNKNOWN,
    captured,
    judge_placement,
    read_log,
)

STATISTICS = "Number of arithmetic operators (pre-compilation) before = 565, fused = 548, percent fused = 96.99%"
PARTITIONED = "The neuron partitioner created 1 sub-graphs"
COMPILED = (
    "Neuron successfully compiled 1 sub-graphs, Total fused subgraphs = 1, "
    "Percent of model sub-graphs successfully compiled = 100.0%"
)
BACK = "torch.neuron.trace failed on _NeuronGraph$551; falling back to native python function call"


def judged(*lines, **options):
    return judge_placement(read_log([(logging.INFO, line) for line in lines]), **options)


def test_statistics_are_read():
    log = read_log(
        [(20, STATISTICS), (20, PARTITIONED), (20, COMPILED), (20, " => aten::embedding: 1 [not supported]")]
    )
    assert (log.operators, log.fused, log.percent_fused) == (565, 548, 96.99)
    assert (log.partitioned, log.compiled) == (1, 1)
    assert log.facts["unsupported"] == ["aten::embedding (1)"]


def test_errors_are_kept():
    log = read_log([(logging.ERROR, "Please check that neuron-cc is installed and working properly...")])
    assert log.errors == ("Please check that neuron-cc is installed and working properly...",)


@pytest.mark.parametrize(
    ("lines", "verdict", "said"),
    [
        ((STATISTICS, PARTITIONED, COMPILED), ON_DEVICE, ""),
        (("No operator is placed on Neuron runtime; returning a CPU trace",), NOTHING, "CPU trace"),
        (("The neuron partitioner created 0 sub-graphs",), NOTHING, "0 sub-graphs"),
        (
            (
                "Number of arithmetic operators (pre-compilation) before = 9, fused = 0, percent fused = 0.0%",
                PARTITIONED,
            ),
            NOTHING,
            "0 operators",
        ),
        ((STATISTICS, PARTITIONED, BACK), NOTHING, "all 1 sub-graphs were put back"),
        ((STATISTICS, "The neuron partitioner created 2 sub-graphs", BACK, COMPILED), PARTLY, "_NeuronGraph$551"),
        ((STATISTICS, "The neuron partitioner created 2 sub-graphs", COMPILED), PARTLY, "1 of 2 sub-graphs"),
        (
            (
                "Number of arithmetic operators (pre-compilation) before = 10, fused = 4, percent fused = 40.0%",
                PARTITIONED,
                COMPILED,
            ),
            PARTLY,
            "40 % of the arithmetic operators are on the device, expected 80 %",
        ),
        ((), UNKNOWN, "says nothing"),
    ],
)
def test_placement_rule(lines, verdict, said):
    placement = judged(*lines)
    assert placement.verdict == verdict
    assert said in " ".join(placement.reasons)


def test_threshold_is_an_option_and_operators_are_a_witness():
    assert judged(STATISTICS, threshold=99).verdict == PARTLY
    assert judged(neuron_operators=2).verdict == ON_DEVICE


def test_capture_restores_the_logger():
    logger = logging.getLogger("Neuron")
    level, handlers = logger.level, list(logger.handlers)
    with captured() as capture:
        logger.info("Number %d", 1)
    assert capture.lines == [(logging.INFO, "Number 1")]
    assert (logger.level, logger.handlers) == (level, handlers)
