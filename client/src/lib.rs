//! Lazy chunked n-d arrays, computed on all cores of a laptop or on a cluster.
