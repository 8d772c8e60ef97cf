"""The example as tests need it, and in the language that a browser asks for."""

from example_project.settings import *  # noqa: F403
from example_project.settings import INSTALLED_APPS as APPS
from example_project.settings import MIDDLEWARE as LAYERS

INSTALLED_APPS = [*APPS, "tests.browser.apps.AsTestsNeedIt"]
_AT = LAYERS.index("django.middleware.common.CommonMiddleware")
MIDDLEWARE = [*LAYERS[:_AT], "django.middleware.locale.LocaleMiddleware", *LAYERS[_AT:]]
