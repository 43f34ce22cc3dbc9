"""The truth on disk: the study and its database, checkpoints, the run folder, its lock and its configuration."""
