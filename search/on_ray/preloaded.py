"""What each worker of a private Ray imports as it starts, so that its first trial need not wait for it."""

import gc
from importlib import import_module

MODULES = ("search.on_ray.trial", "ray.tune", "torch._dynamo")  # the last one for optimizers

# Python would look through all objects a hundred times meanwhile, for a fifth of the time.
gc.disable()
for name in MODULES:
    import_module(name)
gc.freeze()  # they stay as long as the worker
gc.enable()
