"""Everything that a trial may vary: one flat, frozen, validated record whose defaults are the article's recipe."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Schedule = Literal["step", "one-cycle", "constant"]
Pool = Literal["late", "early"]
Optimizer = Literal["adadelta", "adamw", "sgd"]

ARCHITECTURE = ("conv1_width", "conv2_width", "kernel_size", "hidden_width", "dropout1", "dropout2", "pool")


class Hyperparameters(BaseModel):
    """One point of the search space. The bounds of a field are the bounds of any range searched over it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    conv1_width: int = Field(32, ge=1, le=1024, description="channels after the first convolution")
    conv2_width: int = Field(64, ge=1, le=1024, description="channels after the second convolution")
    kernel_size: Literal[3, 5, 7] = Field(3, description="side of both convolution kernels, in pixels")
    pool: Pool = Field("late", description="max-pool after the second convolution only, or early: after each")
    hidden_width: int = Field(128, ge=1, le=8192, description="units of the hidden linear layer")
    dropout1: float = Field(0.25, ge=0.0, lt=1.0, description="dropout rate after the convolutions")
    dropout2: float = Field(0.5, ge=0.0, lt=1.0, description="dropout rate after the hidden layer")
    optimizer: Optimizer = Field("adadelta", description="fixed within one experiment")
    learning_rate: float = Field(1.0, gt=0.0, le=100.0, description="the optimizer's step size; the peak of one-cycle")
    momentum: float = Field(0.9, ge=0.0, lt=1.0, description="Nesterov momentum; sgd only")
    weight_decay: float = Field(0.0, ge=0.0, le=10.0, description="L2 penalty (decoupled for adamw)")
    schedule: Schedule = Field("step", description="learning rate over time: gamma per epoch, one-cycle or constant")
    gamma: float = Field(0.7, gt=0.0, le=1.0, description="learning-rate factor per epoch; schedule 'step' only")
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0, description="share of the target spread over all classes")
    batch_size: int = Field(64, ge=1, le=65536, description="images per optimizer step")
    epochs: int = Field(14, ge=1, le=10000, description="passes over the training images")

    def architecture(self) -> dict[str, Any]:
        """The arguments of `model.network.Net`."""
        return {name: getattr(self, name) for name in ARCHITECTURE}


RECIPE = Hyperparameters()
