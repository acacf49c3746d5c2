from __future__ import annotations

import pytest

from pytest_torchscript.results import (
    AnchorFinding,
    AxisResult,
    BucketCost,
    Cause,
    CheckResult,
    ExportResult,
    ModelResult,
    PaddingResult,
    RunReport,
    Signature,
    ValuesResult,
)

FROZEN = Cause(
    "/site-packages/transformers/models/funnel/modeling_funnel.py",
    218,
    "relative_pos",
    "torch.arange(start, stop, -pooled)",
    "-17 became -25",
)
UNKNOWN = Cause("", 0, "", "", "a constant of shape (2, 3) became (4, 3)")


def sound_model() -> ModelResult:
    export = ExportResult(
        "torchscript",
        signature=Signature(
            inputs={"input_ids": ["batch", "sequence"]}, outputs={"last_hidden_state": ["batch", "sequence", 768]}
        ),
        anchors=[{"batch": 2, "sequence": 11}],
        checks=[
            CheckResult("trace", "passed", 1.25, passes=4),
            CheckResult("axis[batch]", "passed", 0.5),
            CheckResult("axis[sequence]", "passed", 0.75, passes=26),
            CheckResult("attentions", "skipped", 0.0, "the architecture has none"),
        ],
        axes=[
            AxisResult("batch", 1, 16, "dynamic", [1, 2, 3, 16], max_abs_difference=0.0),
            AxisResult("sequence", 1, 512, "dynamic", [1, 10, 11, 12, 512], max_abs_difference=0.0),
            AxisResult("width", 64, 64, "untested", reason="declared fixed at 64"),
        ],
        anchor_findings=[AnchorFinding({"batch": 1, "sequence": 11}, ["attention_mask"], "batch", "fixed", [FROZEN])],
        values=ValuesResult("dynamic"),
        padding=PaddingResult(
            "dynamic", buckets=[BucketCost({"sequence": 128}, {"sequence": 37}, 128 / 37, 0.0123, 0.004)]
        ),
    )
    note = "the Hub cannot be reached: random weights, built from the bundled configuration"
    return ModelResult("bert-base-uncased", "BertModel", "default", "random", 109482240, [export], [note])


def broken_model() -> ModelResult:
    message = "torchscript::funnel: axis 'sequence' diverges\n    output [0]: 2.58 <b>&\n    hint: use x.shape[1]"
    export = ExportResult(
        "torchscript",
        anchors=[{"batch": 2, "sequence": 16}],
        checks=[
            CheckResult("trace", "passed", 2.0),
            CheckResult("axis[sequence]", "failed", 12.0, message),
            CheckResult("values", "failed", 0.25, "values ```diverge```"),
            CheckResult("speed", "error", 0.0, "it broke"),
        ],
        axes=[
            AxisResult("batch", 1, 16, "fixed", [1, 2], {"batch": 1, "sequence": 1}, "RuntimeError: size 2 | 1", None),
            AxisResult(
                "sequence", 1, 512, "diverges", [1, 2, 512], {"batch": 1, "sequence": 1}, None, 2.58, [FROZEN, UNKNOWN]
            ),
        ],
        values=ValuesResult("diverges", {"attention_mask": "left"}, [UNKNOWN]),
        device={"kind": "emulated", "subgraphs": 1, "log": ["a", "b"]},
    )
    return ModelResult("tests/x.py::test_y[<b>_a_|`b`]", "Funnel<X>", "masked-lm", "tiny", 12345, [export])


@pytest.fixture
def report() -> RunReport:
    environment = {"pytest_torchscript": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0", "python": "3.11.9"}
    return RunReport(environment, [sound_model(), broken_model()])
