"""Other people's Redis clients, as programs that a test drives: Node's `redis` and `ioredis`, and redis-cli."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.fleet import wait_for

HERE = Path(__file__).parent / "node"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "node"
OLDEST_NODE = (18, 19)
PATIENCE_S = 20.0
INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


class Lacking(Exception):
    """A program or package that these tests need is not here."""


class Heard(NamedTuple):
    """A message that a peer got by a subscription."""

    channel: str
    body: bytes
    pattern: str | None = None


def node_modules() -> Path:
    """Return the folder with the clients of node/package.json, installed by npm when first needed. Raises Lacking."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Lacking("Node.js with npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST_NODE:
        raise Lacking(f"Node.js from {'.'.join(map(str, OLDEST_NODE))} on (here is {version})")
    wanted = (HERE / "package.json").read_bytes()
    place = CACHE / hashlib.sha256(wanted).hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True)
    # Several processes of one run want it at once: the first installs it.
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "installed").exists():
            (place / "package.json").write_bytes(wanted)
            done = subprocess.run(INSTALL, cwd=place, capture_output=True, text=True, timeout=300)
            if done.returncode:
                raise Lacking(f"what npm should have installed ({done.stderr.strip()[-300:]})")
            (place / "installed").touch()
    return place / "node_modules"


class Peer:
    """One client on one server. Keys and channels are as Redis has them, so with their prefix."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._readers: list[threading.Thread] = []

    def wait(self, count: int = 1) -> list[Heard]:
        """Return what was heard, as soon as it is so much."""
        return wait_for(lambda: len(self.heard) >= count and list(self.heard), what=f"for {count}, has {self.heard}")

    def close(self) -> None:
        """End its processes."""
        for process in self._processes:
            process.kill()
            process.wait()
        for reader in self._readers:
            reader.join()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _start(self, command: list[str], read: Callable[[Any], None], env: dict[str, str] | None = None) -> Any:
        """Start a program; a thread of its own has `read` read its output."""
        process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
        reader.start()
        self._processes.append(process)
        self._readers.append(reader)
        return process


class NodePeer(Peer):
    """A program in Node that has one of the two libraries: see node/peer.cjs."""

    def __init__(self, library: str, socket: Path) -> None:
        super().__init__()
        self._answers: dict[int, dict[str, Any]] = {}
        self._asked = 0
        env = dict(os.environ) | {"NODE_PATH": str(node_modules())}
        self._process = self._start(["node", str(HERE / "peer.cjs"), library, str(socket)], self._read, env)
        self._answer(0)

    def publish(self, channel: str, body: bytes) -> int:
        """PUBLISH, and return how many connections got it."""
        return self._do("publish", channel, base64.b64encode(body).decode())

    def subscribe(self, channel: str) -> None:
        """SUBSCRIBE, and return when Redis has confirmed it."""
        self._do("subscribe", channel)

    def psubscribe(self, pattern: str) -> None:
        """PSUBSCRIBE, and return when Redis has confirmed it."""
        self._do("psubscribe", pattern)

    def xadd(self, key: str, fields: dict[str, str]) -> str:
        """XADD, and return the id that the entry got."""
        return self._do("xadd", key, fields)

    def xrange(self, key: str) -> list[tuple[str, dict[str, str]]]:
        """XRANGE from the first to the last."""
        return [(entry, fields) for entry, fields in self._do("xrange", key)]

    def _do(self, name: str, *args: Any) -> Any:
        self._asked += 1
        line = json.dumps({"id": self._asked, "do": name, "args": args})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        return self._answer(self._asked)

    def _answer(self, number: int) -> Any:
        wait_for(lambda: number in self._answers or self._process.poll() is not None, what="for Node")
        answer = self._answers.pop(number)
        assert "failed" not in answer, answer["failed"]
        return answer["value"]

    def _read(self, lines: Any) -> None:
        for line in lines:
            said = json.loads(line)
            if "id" in said:
                self._answers[said["id"]] = said
            elif "body" in said:
                self.heard.append(Heard(said["channel"], base64.b64decode(said["body"]), said["pattern"]))


class CliPeer(Peer):
    """redis-cli, called as one types it."""

    def __init__(self, socket: Path) -> None:
        super().__init__()
        if shutil.which("redis-cli") is None:
            raise Lacking("redis-cli")
        self._base = ["redis-cli", "-s", str(socket)]
        self._confirmed = 0

    def publish(self, channel: str, body: bytes) -> int:
        """PUBLISH, and return how many connections got it."""
        # -x: the last argument is what comes in, so that it can be any bytes.
        return int(self._run("-x", "publish", channel, body=body))

    def subscribe(self, channel: str) -> None:
        """SUBSCRIBE, and return when Redis has confirmed it."""
        self._listen("subscribe", channel)

    def psubscribe(self, pattern: str) -> None:
        """PSUBSCRIBE, and return when Redis has confirmed it."""
        self._listen("psubscribe", pattern)

    def xadd(self, key: str, fields: dict[str, str]) -> str:
        """XADD, and return the id that the entry got."""
        return self._run("xadd", key, "*", *(part for field in fields.items() for part in field))

    def xrange(self, key: str) -> list[tuple[str, dict[str, str]]]:
        """XRANGE from the first to the last."""
        entries = json.loads(self._run("--json", "xrange", key, "-", "+"))
        return [(entry, dict(zip(flat[::2], flat[1::2], strict=True))) for entry, flat in entries]

    def _run(self, *arguments: str, body: bytes = b"") -> str:
        done = subprocess.run(
            [*self._base, *arguments], input=body, capture_output=True, timeout=PATIENCE_S, check=True
        )
        return done.stdout.decode().strip()

    def _listen(self, command: str, name: str) -> None:
        before = self._confirmed
        self._start([*self._base, command, name], self._read)
        wait_for(lambda: self._confirmed > before, what="for redis-cli's subscription")

    def _read(self, lines: Any) -> None:
        """Read what redis-cli prints into a pipe: each element of each reply on a line of its own."""
        for line in lines:
            kind = line.strip()
            if kind in (b"subscribe", b"psubscribe"):
                next(lines), next(lines)
                self._confirmed += 1
            elif kind in (b"message", b"pmessage"):
                pattern = next(lines).decode().strip() if kind == b"pmessage" else None
                self.heard.append(Heard(next(lines).decode().strip(), next(lines).rstrip(b"\n"), pattern))


def peer(name: str, socket: Path) -> NodePeer | CliPeer:
    """Return the client of this name on the server with this socket. Raises Lacking."""
    return CliPeer(socket) if name == "redis-cli" else NodePeer(name, socket)
