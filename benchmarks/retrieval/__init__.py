"""The retrieval benchmark: speed, exactness, access and load of a search, with its peers beside it."""
