"""Many models, each in a child process of its own: one that crashes, hangs or eats all memory costs its own row.

Children are forked from a server that has imported torch and transformers once, so that a model costs its own time alone. What
became of each is a JSON line, written at once: a sweep that was ended goes on where it stood.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Any

Row = dict[str, Any]
#: Makes the row of one name, in a child; what it raises is told as the reason.
Work = Callable[[str], Row]

#: How a row says why there is no answer of the child itself.
TIME, MEMORY, CRASH = "time", "memory", "crash"


class Sweep:
    """Rows by name in a file of JSON lines, the last line of a name counting; made by children that are held to limits."""

    def __init__(
        self, records: Path, *, workers: int, seconds: float, gigabytes: float, preload: Iterable[str]
    ) -> None:
        self.records, self.workers, self.seconds, self.gigabytes = records, workers, seconds, gigabytes
        self.rows: dict[str, Row] = {}
        if records.exists():
            for line in records.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.rows[row["name"]] = row
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        self._writing = Lock()

    def run(self, names: Iterable[str], work: Work, *, again: Callable[[Row], bool] = lambda _: False) -> None:
        """Make the rows that are not there yet, or that are to be made again."""
        wanted = [name for name in dict.fromkeys(names) if name not in self.rows or again(self.rows[name])]
        with ThreadPoolExecutor(self.workers) as pool:
            for index, row in enumerate(pool.map(lambda name: self._one(name, work), wanted), 1):
                said = row.get("why") or row.get("glance", "")
                line = f"{index}/{len(wanted)} {row['name']:40}{row['seconds']:6.1f} s  {row['kind']}  {said}"
                print(line[:230], file=sys.stderr, flush=True)

    def _one(self, name: str, work: Work) -> Row:
        start = time.monotonic()
        receiver, sender = self._context.Pipe(duplex=False)
        child = self._context.Process(target=_child, args=(work, name, self.gigabytes, sender), daemon=True)
        child.start()
        sender.close()
        row: Row = {}
        try:
            if receiver.poll(self.seconds):
                row = receiver.recv()
            else:
                row = {"kind": TIME, "why": f"no answer within {self.seconds:.0f} seconds"}
        except EOFError:
            child.join(5)
            row = {"kind": CRASH, "why": f"the process ended with exit code {child.exitcode}"}
        finally:
            child.kill()
            child.join()
            receiver.close()
        row = {"name": name, **row, "seconds": round(time.monotonic() - start, 1)}
        with self._writing, self.records.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            self.rows[name] = row
        return row


def _child(work: Work, name: str, gigabytes: float, sender: Connection) -> None:
    limit = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        row = work(name)
    except MemoryError:
        row = {"kind": MEMORY, "why": f"needs more than {gigabytes:.0f} GB"}
    except Exception as error:
        said = str(error).splitlines()[:1] or [""]
        no_memory = "can't allocate memory" in str(error) or "not enough memory" in str(error)
        row = (
            {"kind": MEMORY, "why": f"needs more than {gigabytes:.0f} GB"}
            if no_memory
            else {"kind": CRASH, "why": f"{type(error).__name__}: {said[0]}"}
        )
    sender.send(row)
    sender.close()
