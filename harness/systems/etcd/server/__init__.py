"""The server of etcd: installed, configured, started, healthy."""
