"""``python -m pytest_torchscript COMMAND``: what is done outside of a run of pytest.

Torch is loaded by the command that needs it, after its arguments were understood. Bad input ends with exit code 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pytest_torchscript.errors import Error
from pytest_torchscript.settings import SETTINGS, Setting, make_settings

#: Settings of a run of pytest that `explain` takes too, under the same names.
_OF_A_RUN = ("task", "weights", "anchor", "trust-remote-code")


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command; return 0, or 2 where its input is bad. As argparse does, exit at once for bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_torchscript", description="Beside pytest --torchscript-model."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_explain(commands)
    _add_merge(commands)
    given = parser.parse_args(arguments)
    try:
        print(given.run(given))
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _add_explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "explain",
        help="say why a source line is named for an axis",
        description="Trace a model at two sizes of an axis and tell every step from the graphs to the lines that are named.",
    )
    parser.add_argument("reference", metavar="REF", help="a Hub id, a checkpoint directory, or package.module:factory")
    parser.add_argument("--axis", metavar="NAME", required=True, help="The axis that is moved.")
    parser.add_argument(
        "--size", metavar="N", type=int, help="The size that it is moved to. Default: one near the anchor's."
    )
    for setting in _settings():
        if setting.switch:
            parser.add_argument(f"--{setting.name}", dest=setting.field, action="store_true", help=setting.help)
        else:
            action = "store" if setting.given == "once" else "append"
            parser.add_argument(
                f"--{setting.name}", dest=setting.field, metavar=setting.metavar, action=action, help=setting.help
            )
    parser.set_defaults(run=_explain)


def _settings() -> list[Setting]:
    return [setting for setting in SETTINGS if setting.name in _OF_A_RUN]


def _explain(given: argparse.Namespace) -> str:
    settings = make_settings(**{setting.field: getattr(given, setting.field) for setting in _settings()})
    from pytest_torchscript.lab.explain import explain_axis

    text: str = explain_axis(given.reference, given.axis, settings, size=given.size)
    return text


def _add_merge(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "merge",
        help="join the JSON reports of several runs",
        description="Join the reports of shards: the same model in two files by its checks. Of a check that stands in two "
        "the worse outcome is kept.",
    )
    parser.add_argument(
        "shards", metavar="SHARD.json", nargs="+", help="a report that --torchscript-report wrote as .json"
    )
    parser.add_argument(
        "--report", metavar="PATH", action="append", required=True, help="Write .json, .md, .html or .png; repeatable."
    )
    parser.set_defaults(run=_merge)


def _merge(given: argparse.Namespace) -> str:
    from pytest_torchscript.checks.registry import registered
    from pytest_torchscript.report.merge import merge_reports, read_report
    from pytest_torchscript.report.wording import counts_text
    from pytest_torchscript.report.writers import check_writer, write_report

    for path in given.report:
        check_writer(path)
    order = list(registered())
    whole, said = merge_reports(
        [(path, read_report(path)) for path in given.shards],
        lambda name: order.index(name) if name in order else len(order),
    )
    for path in given.report:
        write_report(path, whole)
    return "\n".join([*said, counts_text(whole), *(f"report: {path}" for path in given.report)])


if __name__ == "__main__":
    sys.exit(main())
