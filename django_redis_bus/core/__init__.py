"""The pure part: values and decisions. No Django, no Redis, no clock, no randomness."""
