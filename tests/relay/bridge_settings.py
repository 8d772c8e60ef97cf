"""Settings of a listen_pattern process with a channel layer."""

from tests.settings import *  # noqa: F403
from tests.settings import REDIS_BUS

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_BUS["default"]["LOCATION"], "socket_timeout": None}],
            "prefix": f"{REDIS_BUS['default']['KEY_PREFIX']}:layer",
        },
    }
}
