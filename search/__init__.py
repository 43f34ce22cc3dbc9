"""How it is tuned: Ray Tune runs the trials, Optuna suggests them, the study on disk is the truth."""
