"""Topics for browsers: rooms over WebSocket, and the same over server-sent events. Importing this imports nothing."""
