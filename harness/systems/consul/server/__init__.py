"""The server of Consul: installed, configured, started, healthy."""
