"""A machine, or a cluster, proves that it computes what it must."""
