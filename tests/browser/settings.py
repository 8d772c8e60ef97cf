"""The example, with rooms enough for each test to have one of its own: a web server is shared by a module's tests."""

from example_project.settings import *  # noqa: F403
from example_project.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "tests.browser.apps.MoreRooms"]
