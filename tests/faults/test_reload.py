"""consume_stream --reload."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet, wait_for


@pytest.mark.slow
def test_reload_starts_it_again_when_code_changes(fleet: Fleet, tmp_path: Path) -> None:
    # Given a module of the project's that handlers use
    module = tmp_path / "project_code.py"
    module.write_text("VALUE = 1\n")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", ""), str(Path.cwd())]),
        "BUS_TEST_IMPORT": "project_code",
    }
    consumer = fleet.start("--reload", environment=environment).ready()
    fleet.publish(3)
    fleet.reconcile()

    # When it is edited
    time.sleep(1.2)  # Django looks at the times of files, each second
    module.write_text("VALUE = 2\n")
    os.utime(module, (time.time() + 5, time.time() + 5))

    # Then another process goes on
    consumer.ready(2)
    fleet.publish(3)
    fleet.reconcile()
    assert len({line.split()[2] for line in fleet.lines()}) == 2
    assert set(fleet.log("done").values()) == {1}


@pytest.mark.slow
def test_reload_outlives_code_that_does_not_load(fleet: Fleet, tmp_path: Path) -> None:
    # Given a running consumer and a module that its handlers import
    module = tmp_path / "project_code.py"
    module.write_text("VALUE = 1\n")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", ""), str(Path.cwd())]),
        "BUS_TEST_IMPORT": "project_code",
    }
    consumer = fleet.start("--reload", environment=environment).ready()

    # When a mistake is saved
    time.sleep(1.2)
    module.write_text("VALUE = (\n")
    os.utime(module, (time.time() + 5, time.time() + 5))
    wait_for(lambda: "tries again when code changes" in consumer.output)

    # Then its repair brings the consumer back
    module.write_text("VALUE = 1\n")
    os.utime(module, (time.time() + 10, time.time() + 10))
    consumer.ready(2)
    fleet.publish(3)
    fleet.reconcile()
