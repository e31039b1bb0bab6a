"""Clusters of containers. `import docker` is the SDK everywhere: this package is always named in full."""
