"""One measured process: gets ready, and at each signal works and answers. Its argument is the Job as JSON."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from importlib import import_module

from .job import Answer, Heard, Job


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    work = getattr(import_module(f"benchmarks.{job.side}"), job.work)(job)
    print("ready", flush=True)
    for _ in sys.stdin:
        cpu_s = time.process_time()  # of all threads, user and system
        started = time.monotonic()
        seen = work()
        ended = time.monotonic()
        cpu_s = time.process_time() - cpu_s
        closed: list[int] = []
        if isinstance(seen, Heard):
            ended, closed, seen = seen.ended, seen.closed, seen.delays_s
        delays = [] if isinstance(seen, int) else seen
        events = seen if isinstance(seen, int) else len(seen)
        answer = Answer(events=events, started=started, ended=ended, cpu_s=cpu_s, delays_s=delays, closed=closed)
        print(json.dumps(asdict(answer)), flush=True)
    if check := getattr(work, "check", None):
        check()


if __name__ == "__main__":
    main()
