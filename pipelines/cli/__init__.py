"""The `knowledge` command: one file for each command or small group of commands."""
