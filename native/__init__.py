"""SHA-256d kernels: raw bytes in, nonces out. Knows nothing of pools, jobs or shares."""
