"""Everything that a trial may vary: one flat, frozen, validated record whose defaults are the article's recipe."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Schedule = Literal["step", "one-cycle", "constant"]
# The schedules whose learning rate at an epoch depends on how many epochs are planned.
PLANNED_SCHEDULES: Final[tuple[Schedule, ...]] = ("one-cycle",)
Pool = Literal["late", "early"]
Optimizer = Literal["adadelta", "adamw", "sgd"]


@dataclass(frozen=True)
class Role:
    """What a search and its tables must know of a field besides its bounds.

    `unit` is the unit of its values, "" for none. `most_memory` says which value needs the most memory: "largest",
    "smallest", one of the field's words, or "" where memory does not depend on it. `only_with` is the (field, value)
    without which the field has no effect. `in_network` marks the arguments of `model.network.Net`.
    """

    unit: str = ""
    most_memory: str = ""
    only_with: tuple[str, str] | None = None
    in_network: bool = False


def role(field: FieldInfo) -> Role:
    """Return the role that a field of `Hyperparameters` declares, or the plain one where it declares none."""
    return next((item for item in field.metadata if isinstance(item, Role)), Role())


def allowed(field: FieldInfo) -> str:
    """Return the values that a field of `Hyperparameters` allows: "one of [3, 5, 7]", "a number > 0.0 and <= 1.0"."""
    if field.annotation is bool:
        return "true or false"
    if choices := get_args(field.annotation):
        return f"one of {list(choices)}"
    symbols = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = []
    for constraint in field.metadata:
        bounds += [
            f"{symbol} {getattr(constraint, key)}" for key, symbol in symbols.items() if hasattr(constraint, key)
        ]
    return f"{'a whole number' if field.annotation is int else 'a number'} {' and '.join(bounds)}"


WIDTH = Role(most_memory="largest", in_network=True)
DROPOUT = Role("fraction", in_network=True)
KERNEL = Role("pixels", most_memory="smallest", in_network=True)  # a smaller kernel leaves more pixels
POOL = Role(most_memory="late", in_network=True)  # late pooling keeps all pixels for longer
BATCH_NORM = Role(most_memory="largest", in_network=True)
# The strengths of model/augment.py need a little memory where they are above 0.
DEGREES = Role("degrees", most_memory="largest")
PIXELS = Role("pixels", most_memory="largest")
FRACTION = Role("fraction", most_memory="largest")


class Hyperparameters(BaseModel):
    """One point of the search space. The bounds of a field are the bounds of any range searched over it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    conv1_width: Annotated[int, WIDTH] = Field(32, ge=1, le=1024, description="channels after the first convolution")
    conv2_width: Annotated[int, WIDTH] = Field(64, ge=1, le=1024, description="channels after the second convolution")
    kernel_size: Annotated[Literal[3, 5, 7], KERNEL] = Field(
        3, description="side of both convolution kernels, in pixels"
    )
    pool: Annotated[Pool, POOL] = Field(
        "late", description="max-pool after the second convolution only, or early: after each"
    )
    batch_norm: Annotated[bool, BATCH_NORM] = Field(
        False, description="batch norm after each convolution; an export has it folded into the weights"
    )
    hidden_width: Annotated[int, WIDTH] = Field(128, ge=1, le=8192, description="units of the hidden linear layer")
    dropout1: Annotated[float, DROPOUT] = Field(0.25, ge=0.0, lt=1.0, description="dropout rate after the convolutions")
    dropout2: Annotated[float, DROPOUT] = Field(0.5, ge=0.0, lt=1.0, description="dropout rate after the hidden layer")
    optimizer: Optimizer = Field("adadelta", description="fixed within one experiment")
    learning_rate: float = Field(1.0, gt=0.0, le=100.0, description="the optimizer's step size; the peak of one-cycle")
    momentum: Annotated[float, Role(most_memory="largest", only_with=("optimizer", "sgd"))] = Field(
        0.9, ge=0.0, lt=1.0, description="Nesterov momentum; sgd only"
    )
    weight_decay: Annotated[float, Role(most_memory="largest")] = Field(
        0.0, ge=0.0, le=10.0, description="L2 penalty (decoupled for adamw)"
    )
    schedule: Schedule = Field("step", description="learning rate over time: gamma per epoch, one-cycle or constant")
    gamma: Annotated[float, Role(only_with=("schedule", "step"))] = Field(
        0.7, gt=0.0, le=1.0, description="learning-rate factor per epoch; schedule 'step' only"
    )
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0, description="share of the target spread over all classes")
    ema_decay: Annotated[float, Role("fraction", most_memory="largest")] = Field(
        0.0, ge=0.0, lt=1.0, description="decay per step of the weights' moving average, which then counts; 0: none"
    )
    rotation: Annotated[float, DEGREES] = Field(
        0.0, ge=0.0, le=180.0, description="augmentation: training images turned by up to so much"
    )
    shift: Annotated[float, PIXELS] = Field(
        0.0, ge=0.0, le=14.0, description="augmentation: moved by up to so much, along each axis"
    )
    scale: Annotated[float, FRACTION] = Field(
        0.0, ge=0.0, le=0.5, description="augmentation: width and height changed by up to so much, each by itself"
    )
    shear: Annotated[float, FRACTION] = Field(
        0.0, ge=0.0, le=1.0, description="augmentation: slanted by up to so many pixels per pixel of height"
    )
    elastic: Annotated[float, PIXELS] = Field(
        0.0, ge=0.0, le=14.0, description="augmentation: a smooth random field moves each pixel by up to so much"
    )
    thickness: Annotated[float, PIXELS] = Field(
        0.0, ge=0.0, le=1.0, description="augmentation: strokes eroded or dilated by up to so much on each side"
    )
    blur: Annotated[float, PIXELS] = Field(
        0.0, ge=0.0, le=5.0, description="augmentation: blurred by a Gaussian of up to this standard deviation"
    )
    contrast: Annotated[float, FRACTION] = Field(
        0.0, ge=0.0, lt=1.0, description="augmentation: ink made brighter or darker by up to so much"
    )
    noise: Annotated[float, FRACTION] = Field(
        0.0, ge=0.0, le=1.0, description="augmentation: noise of up to this standard deviation (1: black to white)"
    )
    batch_size: Annotated[int, Role("images", most_memory="largest")] = Field(
        64, ge=1, le=65536, description="images per optimizer step"
    )
    epochs: Annotated[int, Role("epochs")] = Field(14, ge=1, le=10000, description="passes over the training images")

    def architecture(self) -> dict[str, Any]:
        """Return the arguments of `model.network.Net` for the network that is trained."""
        return {name: getattr(self, name) for name, field in type(self).model_fields.items() if role(field).in_network}

    def exported_architecture(self) -> dict[str, Any]:
        """Return the arguments of `model.network.Net` for the exported network, whose batch norm is folded."""
        return {**self.architecture(), "batch_norm": False}

    @property
    def num_parameters(self) -> int:
        """Return the number of trainable parameters of the network, by arithmetic: a search asks it of many points."""
        area, lost = self.kernel_size**2, self.kernel_size - 1
        side = ((28 - lost) // 2 - lost) // 2 if self.pool == "early" else (28 - 2 * lost) // 2
        channels = self.conv1_width + self.conv2_width
        convolutions = area * self.conv1_width * (1 + self.conv2_width)
        # Each channel has a bias, or with batch norm a factor and a shift.
        offsets = channels * (2 if self.batch_norm else 1)
        linear = (self.conv2_width * side**2 + 1) * self.hidden_width + (self.hidden_width + 1) * 10
        return convolutions + offsets + linear


RECIPE = Hyperparameters()
