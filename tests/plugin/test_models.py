"""The models of a run: each reference parsed once, planned once, its factory called once, freed after its last test."""

from __future__ import annotations

import json
import sys

import pytest
from plugin_runs import Run

ZOO = """
import transformers

CALLS = []

def bert():
    CALLS.append("called")
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=60)
    return transformers.BertModel(transformers.BertConfig(**sizes)).eval()
"""


#: Counts, and asks for inputs by the hook where told to.
COUNTING = """
import json
import sys
from pytest_torchscript.lab import plan
from pytest_torchscript.models import reference

COUNTS = {"parsed": 0, "planned": 0, "asked": 0}
make, plan_model = reference.Reference.__init__, plan.plan_model

def counted_make(self, *args, **kwargs):
    COUNTS["parsed"] += 1
    make(self, *args, **kwargs)

def counted_plan(*args, **kwargs):
    COUNTS["planned"] += 1
    return plan_model(*args, **kwargs)

reference.Reference.__init__, plan.plan_model = counted_make, counted_plan

def pytest_unconfigure():
    import berts
    with open("counts.json", "w") as out:
        json.dump({**COUNTS, "called": len(berts.CALLS)}, out)
"""


HOOK = """
def pytest_torchscript_inputs(config, model_class, task):
    COUNTS["asked"] += 1
    assert (config.hidden_size, model_class.__name__, task) == (16, "BertModel", "default")
"""


@pytest.mark.parametrize("hook", ["", HOOK], ids=["without a hook", "with a hook"])
def test_once(run_apart: Run, pytester: pytest.Pytester, hook: str) -> None:
    pytester.makepyfile(berts=ZOO)
    pytester.makeconftest(COUNTING + hook)
    pytester.makepyfile(test_own="def test_mine(torchscript_eager):\n    assert torchscript_eager\n")
    result = run_apart("--torchscript-model", "berts:bert", "-k", "trace or outputs or axis or mine")
    assert result.parseoutcomes()["passed"] == 5
    assert result.ret == 0
    counts = json.loads((pytester.path / "counts.json").read_text())
    assert counts == {"parsed": 1, "planned": 1, "called": 1, "asked": 1 if hook else 0}


def test_suite_and_own_tests_share_a_load(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import zoo

        def test_mine(torchscript_traced):
            assert zoo.CALLS == ["good"]

        def test_last():
            assert zoo.CALLS == ["good"]
        """
    )
    run("--torchscript-model", "zoo:good", "-k", "mine or last or trace").assert_outcomes(passed=3)


def test_freed_after_its_last_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import gc, weakref
        import pytest
        from zoo import Good, INPUTS

        SEEN = []

        def make():
            model = Good()
            SEEN.append(weakref.ref(model))
            return model, INPUTS

        @pytest.mark.torchscript(model=make)
        class TestOne:
            def test_one(self, torchscript_traced):
                pass

            def test_two(self, torchscript_eager):
                assert SEEN[0]() is not None
                assert len(SEEN) == 1

        def test_after():
            gc.collect()
            assert SEEN[0]() is None
        """
    )
    run().assert_outcomes(passed=3)


ASKING = """
from pathlib import Path
from pytest_torchscript.common import jit
from pytest_torchscript.plugin import models

ASKED, FORGET, MODELS = [], jit.forget_code, models._MODELS
jit.forget_code, models._MODELS = lambda: ASKED.append(1), 2

def pytest_unconfigure():
    jit.forget_code, models._MODELS = FORGET, MODELS
    Path("asked.txt").write_text(str(len(ASKED)))
"""


def test_after_some_models_torch_is_asked_to_drop_their_code(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(ASKING)
    pytester.makepyfile(
        nets="""
        import torch
        from pytest_torchscript import TensorSpec

        def make(width):
            return torch.nn.Linear(width, 2).eval(), {"input": TensorSpec("batch", width)}
        """
    )
    models = [word for width in range(1, 6) for word in ("--torchscript-model", f"nets:make({width})")]
    run_apart(*models, "-k", "trace").assert_outcomes(passed=5)
    assert (pytester.path / "asked.txt").read_text() == "2"


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="no fork to be trusted here")
@pytest.mark.parametrize(("wanted", "started"), [("trace or save_load", "True"), ("trace", "False")])
def test_the_process_for_saved_files_starts_with_the_first_model(
    run: Run, pytester: pytest.Pytester, wanted: str, started: str
) -> None:
    pytester.makeconftest(
        """
        from pathlib import Path
        from pytest_torchscript.plugin.models import models_of

        def pytest_runtest_teardown(item):
            if "test_trace" in item.nodeid:
                Path("started.txt").write_text(str(models_of(item.config).fresh._server is not None))
        """
    )
    run("--torchscript-model", "zoo:good", "-k", wanted).assert_outcomes(passed=len(wanted.split(" or ")))
    assert (pytester.path / "started.txt").read_text() == started
