"""What hypothesis draws: sizes, from a seed, as many as the user's profile asks for."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import Axis

#: Draws an axis: the sizes that are worth trying go first and find nearly everything, so few are needed.
EXAMPLES = 5
#: Draws where the graph gives no reason to look further; hypothesis begins with the smallest sizes.
FEW = 2
#: hypothesis's own default; a profile that says something else was meant.
PROFILE_DEFAULT = 100


def examples_wanted(settings: Settings, usual: int = EXAMPLES) -> int:
    """Return the number of draws: the option's, else that of a profile that differs from hypothesis's default, else ours."""
    import hypothesis

    if settings.max_examples is not None:
        return settings.max_examples
    profile: int = hypothesis.settings().max_examples
    return usual if profile == PROFILE_DEFAULT else profile


def draw_sizes(axes: Mapping[str, Axis], count: int, seed: int) -> list[dict[str, int]]:
    """Draw sizes of the given axes from a seed; equal for equal seeds, whatever profile or database is in use."""
    import hypothesis
    from hypothesis import HealthCheck, Phase

    from pytest_torchscript.inputs.strategies import axis_sizes

    drawn: list[dict[str, int]] = []
    if count < 1:
        return drawn

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(hypothesis.strategies.fixed_dictionaries({name: axis_sizes(axis) for name, axis in axes.items()}))
    def collect(sizes: dict[str, int]) -> None:
        drawn.append(sizes)

    collect()
    return drawn
