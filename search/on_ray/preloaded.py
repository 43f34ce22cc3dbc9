"""What each worker of a private Ray imports as it starts, so that its first trial need not wait for it."""

import gc


def _preload() -> None:
    import torch
    from ray import tune  # noqa: F401

    from search.on_ray import trial  # noqa: F401

    torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # with its first optimizer PyTorch imports more, for a second


gc.disable()  # Python would look through all objects a hundred times meanwhile, for a fifth of the time
_preload()
gc.freeze()  # they stay as long as the worker
gc.enable()
