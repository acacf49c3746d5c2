"""What one run of the product over one factory answered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Saving starts a process for each model: only where it is the question.
UNSAVED = ("-k", "not save_load")


@dataclass(frozen=True)
class Told:
    """What one run answered: its record of the one model, and what stood on the terminal."""

    record: dict[str, Any]
    terminal: str
    file: Path

    @property
    def checks(self) -> dict[str, str]:
        """The outcome of each check by name."""
        return {check["name"]: check["outcome"] for export in self.record["exports"] for check in export["checks"]}

    def ended(self, outcome: str) -> set[str]:
        """Return the checks that ended so."""
        return {name for name, found in self.checks.items() if found == outcome}

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each axis by name."""
        return {axis["axis"]: axis["verdict"] for axis in self.record["exports"][0]["axes"]}

    @property
    def anchor(self) -> dict[str, int]:
        """The sizes of the main trace."""
        anchor: dict[str, int] = self.record["exports"][0]["anchors"][0]
        return anchor

    @property
    def notes(self) -> str:
        """What is said once about the model."""
        return "\n".join(self.record.get("notes", []))

    @property
    def lines(self) -> set[int]:
        """The lines of the models' file that stand on the terminal."""
        return {int(line) for line in re.findall(re.escape(str(self.file)) + r":(\d+)", self.terminal)}
