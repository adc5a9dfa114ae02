"""The audit log as its owner keeps it: monthly partitions made ahead, daily seals, retention by whole months."""
