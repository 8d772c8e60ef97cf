"""Redis: the only package that imports redis-py. It speaks RESP2 on its own connections and reads raw replies, so that
a reply has one shape whatever the client's version and the project's OPTIONS."""
