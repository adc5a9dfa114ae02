"""What `benchmarks.privacy` measures with: labels of data sets, generated sets, and how spans are compared."""
