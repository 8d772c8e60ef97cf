"""What one event loop hears: a connection that heals, and a queue with a worker for each listener."""
