"""The server of ZooKeeper: installed, configured, started, healthy."""
