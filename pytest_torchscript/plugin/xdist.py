"""Under pytest-xdist: one model on one worker, loaded once, and a worker that dies costs its own test alone.

Imported only where xdist distributes.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling, LoadScopeScheduling

from pytest_torchscript.plugin.costs import Costs
from pytest_torchscript.plugin.ids import split_nodeid
from pytest_torchscript.plugin.names import PREFIX


class _ModelScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out each model's suite as one piece of work, and the user's own tests one by one."""

    #: References whose own tests (``test_mine[REFERENCE]``) go where their suite goes.
    references: tuple[str, ...] = ()
    costs: Costs

    def _assign_work_unit(self, node: Any) -> None:
        """Give a worker the longest piece of work that is left: what comes last must not be what takes longest."""
        longest = max(self.workqueue, key=lambda scope: self.costs.of(self.workqueue[scope]))  # the first of several
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        suite_id = split_nodeid(nodeid)
        if suite_id is not None:
            return f"{PREFIX}::{suite_id.reference}"
        params = nodeid.partition("[")[2].rstrip("]")
        for reference in self.references:
            if params == reference or params.startswith(f"{reference}-"):
                return f"{PREFIX}::{reference}"
        return str(super()._split_scope(nodeid)) if isinstance(self, LoadGroupScheduling) else nodeid

    def remove_node(self, node: Any) -> str | None:
        """Take a worker out. The test it died of is done: handing it out again would kill the next one too."""
        for unit in self.assigned_work.get(node, {}).values():
            crashed = next((nodeid for nodeid, completed in unit.items() if not completed), None)
            if crashed is not None:
                unit[crashed] = True
                super().remove_node(node)
                self._drop_finished()
                return str(crashed)
        item: str | None = super().remove_node(node)
        return item

    def _reschedule(self, node: Any) -> None:
        """Leave a worker alone that collects yet, as one does that replaces another: it is given work when it has."""
        if node in self.registered_collections:
            super()._reschedule(node)

    def _drop_finished(self) -> None:
        for scope in [scope for scope, unit in self.workqueue.items() if all(unit.values())]:
            del self.workqueue[scope]


class _GroupedModelScheduling(_ModelScheduling, LoadGroupScheduling):  # type: ignore[misc]
    """The same for ``--dist loadgroup``, where the user's own groups hold."""


def make_scheduler(config: pytest.Config, log: Any, references: tuple[str, ...], costs: Costs) -> Any:
    """Return a scheduler that keeps models together, the longest first, or None where the user chose another way to
    distribute."""
    kinds = {"load": _ModelScheduling, "worksteal": _ModelScheduling, "loadgroup": _GroupedModelScheduling}
    kind = kinds.get(config.getvalue("dist"))
    if kind is None or not references:
        return None
    scheduler = kind(config, log)
    scheduler.references, scheduler.costs = references, costs
    return scheduler
