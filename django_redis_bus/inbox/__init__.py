"""Effect once: a handler's function, wrapped so that an event's id and its effect are written in one transaction.

The row with the id comes first, and one that is there already is left alone. Of two copies of an event that run at
the same time, the second waits at this insert: if the first commits, it finds the row and does nothing; if the first
rolls back, it runs. The database decides, not this process.
"""

from .once import Inbox
from .rows import require_inbox

__all__ = ["Inbox", "require_inbox"]
