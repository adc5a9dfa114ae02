"""What is read of a folder of files, how right, how fast, and what the worst of them can do."""
