"""manage.py demo: the shop at work."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from example_project.demo.run import Demo, in_a_fresh_directory
from example_project.demo.screen import Screen
from example_project.demo.stopping import Stop

ONCE_S = 12


class Command(BaseCommand):
    help = (
        "Open the shop: a web server, a consumer, a relay and gentle traffic, with a live account of what flows. "
        "Ctrl-C ends it and prints whether all events are accounted for. With --once Redis is frozen, killed and "
        "started again on the way. Example: manage.py demo --once"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="begin with nothing, take Redis away for a while, and end after --seconds; "
            "exit code 1 if the account does not reconcile",
        )
        parser.add_argument(
            "--seconds", type=int, default=ONCE_S, metavar="N", help=f"of traffic, with --once (default {ONCE_S})"
        )
        parser.add_argument(
            "--port", type=int, default=8000, metavar="N", help="of the web server, if it is free (default 8000)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"] and not os.environ.get("SHOP_DATA_DIR"):
            sys.exit(in_a_fresh_directory(sys.argv[1:]))
        colour = True if options["force_color"] else False if options["no_color"] else None
        screen = Screen(sys.stdout, colour=colour)
        try:
            demo = Demo(screen, Stop(), port=options["port"], limit_s=options["seconds"] if options["once"] else None)
            balanced = demo.run()
        except BrokenPipeError:
            # Whoever read this has gone (`| head`). The children have been stopped on the way here.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            balanced = False
        if not balanced:
            sys.exit(1)
