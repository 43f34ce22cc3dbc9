"""The engine: Ray Tune runs what search.trials decides, on one machine or a cluster."""
