"""The loops: read, run, settle, renew, stop. They know neither Redis nor Django, only the ports in `core`."""
