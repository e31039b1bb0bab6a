"""What is tested: etcd, Consul, ZooKeeper and a simulated store, each in its folder; beside them what they share."""
