"""The client of etcd: its capabilities, with honest outcomes."""
