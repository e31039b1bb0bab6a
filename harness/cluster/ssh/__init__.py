"""Clusters of hosts reached over SSH: no agent on them, only sshd, a shell and coreutils."""
