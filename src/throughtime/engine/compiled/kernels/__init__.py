"""The kernels, one file for each kind of work."""
