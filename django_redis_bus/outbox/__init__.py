"""Events as rows: written with the change that they tell of, published after its commit.

`rows` writes them, `fast_path` publishes them from the process that wrote them, `relay` ships what that misses.
"""
