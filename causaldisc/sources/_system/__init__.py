"""The request-level simulator behind ``mesh`` and the named systems: topology, physics, observation, truth, each apart."""
