"""Runner: builds machines from headers and runs steps on them, told by messages of hawser.lab.conformance.protocol."""

import json
import traceback
from typing import TextIO

from hawser.dm import targets
from hawser.lab.conformance.judge import Judge
from hawser.lab.conformance.protocol import Json
from hawser.lab.linux.machine import Machine, Step
from hawser.multipath import target as multipath_target

TARGET_MODULES = (targets, multipath_target)


class Runner:
    def __init__(self) -> None:
        self._machine: Machine | None = None
        self._judge: Judge | None = None

    def answer(self, message: Json) -> Json:
        """Whatever goes wrong is an answer, too."""
        try:
            if "header" in message:
                return self._make(message["header"])
            return self._run(message["step"])
        except Exception:
            return {"error": traceback.format_exc()}

    def _make(self, header: Json) -> Json:
        self._machine = self._judge = None
        self._machine = Machine(header)
        self._judge = Judge(self._machine)
        return {"ready": True}

    def _run(self, step: Json) -> Json:
        machine, judge = self._machine, self._judge
        if machine is None or judge is None:
            raise ValueError("there is no machine")
        cmd = [str(word) for word in step["cmd"]]
        stdin = str(step.get("stdin") or "")
        machine.add_devices(step.get("devices") or {})
        verdict = judge.judge(cmd, stdin)
        if not verdict.runs:
            machine.idle()
            assert verdict.kind is not None
            return {"skip": verdict.kind.name}
        result = machine.run(Step(cmd, stdin, float(step.get("timeout", -1))))
        if verdict.kind is not None:
            return {"skip": verdict.kind.name}
        return {"rc": result.rc, "stdout": result.stdout, "stderr": result.stderr, "kmsg": "\n".join(result.log)}


def serve(questions: TextIO, answers: TextIO) -> None:
    """Answer one message a line, until there are no more."""
    runner = Runner()
    for line in questions:
        answers.write(json.dumps(runner.answer(json.loads(line))) + "\n")
        answers.flush()
