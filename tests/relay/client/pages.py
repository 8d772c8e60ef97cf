"""Pages for the tests: a process of Node that has the JavaScript client, against a real server."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.faults.fleet import wait_for


class Page:
    """One page. What its client tells is in `told`: (who, type, what), where who is "bus" or a topic.

    Args:
        node: the program.
        project: a folder with page.mjs and the client.
        url: of the server.
    """

    def __init__(self, node: str, project: Path, url: str) -> None:
        self.told: list[tuple[str, str, Any]] = []
        self._answers: dict[int, Any] = {}
        self._asked = 0
        self._process = subprocess.Popen(
            [node, "--no-warnings", "--experimental-websocket", str(project / "page.mjs"), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def do(self, act: str, *args: Any) -> Any:
        """Have it do something, and return what came of it."""
        self._asked += 1
        asked = self._asked
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"id": asked, "act": act, "args": args}).encode() + b"\n")
        self._process.stdin.flush()
        return wait_for(lambda: asked in self._answers and [self._answers[asked]], what=f"for {act}, has {self.told}")[
            0
        ]

    def of(self, who: str, *types: str) -> list[Any]:
        """What was told of one, of these types."""
        return [what for told, kind, what in list(self.told) if told == who and kind in types]

    def data(self, topic: str) -> list[Any]:
        """The messages of a topic, and its gaps."""
        return [what.get("data", what) for what in self.of(topic, "message", "gap")]

    def wait(self, who: str, *types: str, count: int = 1) -> list[Any]:
        """Wait until so much has been told."""
        return wait_for(
            lambda: len(self.of(who, *types)) >= count and self.of(who, *types), what=f"for {types}: {self.told}"
        )

    def wait_state(self, state: str) -> None:
        """Wait until it is in a state."""
        states = self.of
        wait_for(lambda: [s["state"] for s in states("bus", "state")][-1:] == [state], what=f"for {state}: {self.told}")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            said = json.loads(line)
            if said["who"] == "answer":
                self._answers[said["type"]] = said["what"]
            else:
                self.told.append((said["who"], said["type"], said["what"]))
