"""Other libraries at the same work; each module runs by itself, in an environment of its own."""
