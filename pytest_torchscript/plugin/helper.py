"""What the fixture ``torchscript`` gives: every check of a model in one call, inside a user's own test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.errors import Error, TorchScriptFailure
from pytest_torchscript.plugin import override
from pytest_torchscript.plugin.cases import Cases, Subject, quiet
from pytest_torchscript.plugin.keys import CURRENT_ITEM, MODEL_FIXTURE, PAYLOAD, run_of
from pytest_torchscript.plugin.markers import changed, declaration_of, settings_changes
from pytest_torchscript.plugin.neuron import note_emulation
from pytest_torchscript.plugin.subjects import NO_MODEL, item_value
from pytest_torchscript.results import CheckResult, ModelResult, merge_models, to_plain
from pytest_torchscript.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class TorchScript:
    """Checks models; made once a session, it acts for the test that is running."""

    config: pytest.Config

    def check(self, model: Any = None, inputs: Mapping[str, Any] | None = None, **settings: Any) -> ModelResult:
        """Put every check to a model and return what was found.

        Args:
            model: a module, a reference, ``(module, inputs)``, or something callable that returns one of these; None
                means the marker's model, else the overridden fixture's.
            inputs: TensorSpecs or example tensors by name; None means the marker's.
            settings: fields of Settings, laid over the marker's and the command line's: axes, weights, rtol, atol …

        Raises:
            TorchScriptFailure: with every check that failed.
            ModelError, InputError, OptionError: where there is nothing to check.
        """
        __tracebackhide__ = True
        item = self.config.stash[CURRENT_ITEM]
        try:
            result = self._checked(item, model, inputs, settings)
        except Error as error:
            raise error.with_traceback(None) from None
        payload = item.stash.setdefault(PAYLOAD, {"model": item.nodeid, "pieces": []})
        count = len(payload["pieces"])
        result.model = f"{item.nodeid} ({count + 1})" if count else item.nodeid
        payload["pieces"].append(to_plain(result))
        note_emulation(item, result)
        if result.failures:
            raise TorchScriptFailure(failure_text(item.nodeid, result.failures, len(result.checks)))
        return result

    def _checked(
        self, item: pytest.Item, model: Any, inputs: Mapping[str, Any] | None, settings: Mapping[str, Any]
    ) -> ModelResult:
        from pytest_torchscript import checks

        declared = declaration_of(item)
        asked = {**declared.changes, **settings_changes(settings)}
        chosen = changed(run_of(self.config).settings, asked)
        subject = Subject(
            object(),
            item.nodeid,
            _model(item, model, declared.model),
            chosen,
            declared.inputs if inputs is None else inputs,
        )
        cases = Cases(self.config)
        plan = cases.plan(subject)
        named = {name: asked[name] for name in ("axes", "anchor", "leave_out") if name in asked}
        checks.check_names([plan], replace(Settings(), **named))
        with quiet():
            return merge_models([checks.run_all(cases.case(subject, backend)) for backend in chosen.backends])[0]


def _model(item: pytest.Item, model: Any, declared: Any) -> Any:
    if model is not None:
        return model
    if declared is not None:
        return declared
    if override.in_force(item):
        return item_value(item, MODEL_FIXTURE)
    raise NO_MODEL


def failure_text(nodeid: str, failures: Sequence[CheckResult], total: int) -> str:
    """Return what a test shows: the message of the one check that failed, or of all of them under a line that counts."""
    if len(failures) == 1:
        return failures[0].message
    lines = [f"{nodeid}: {len(failures)} of {total} checks failed", *(failure.message for failure in failures)]
    return "\n".join(lines)
