"""A program for `Process` that loads nothing: it does what it is asked to."""

from __future__ import annotations

import os
import sys
import time

from pytest_torchscript.isolation import wire


def main() -> None:
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    wire.tell(answers, {"ready": True})
    while True:
        request = wire.receive(asked)
        if request is None:
            return
        wire.tell(answers, {"doing": f"it did {request['do']}"})
        if request["do"] == "exit":
            print("farewell", flush=True)
            os._exit(7)
        elif request["do"] == "abort":
            os.abort()
        elif request["do"] == "loop":
            while True:
                pass
        elif request["do"] == "hold":
            held = bytearray(request["bytes"])
            time.sleep(60)
            del held
        elif request["do"] == "flood":
            for _ in range(300):
                sys.stdout.write("x" * 100_000 + "\n")
        elif request["do"] == "fork":
            child = os.fork()
            if not child:
                time.sleep(60)
                os._exit(0)
            wire.tell(answers, {"child": child})
            continue
        elif request["do"] == "log":
            wire.tell(answers, {"log": ["pytest_torchscript.echo", 30, "100% said"]})
        wire.tell(answers, {"did": request["do"]})
