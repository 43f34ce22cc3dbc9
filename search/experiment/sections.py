"""The sections of a configuration: every key with its type, its bounds and its default."""

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from model.catalogue import DatasetName
from model.precision import Precision
from search.space import Space, fixed_values, parse_space, recipe_point
from search.strategy.pace import training_pace
from search.strategy.pruner import PrunerName
from search.strategy.sampler import SamplerName, startup_of
from search.strategy.stop import StopName, Stopping

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(_Table):
    """The section [data]: which images to use, and how to split them."""

    dataset: DatasetName = "mnist"
    fallback: Literal["uci-digits"] | None = None
    validation_images: int = Field(10_000, ge=100, le=1_000_000)
    train_images: int | None = Field(None, ge=100, le=1_000_000)


class Search(_Table):
    """The section [search]: how many trials, their sampler and pruner, and what lies outside of its folder."""

    trials: Count
    stop: StopName | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    sampler: SamplerName = "tpe"
    recipe_first: bool = True
    precision: Literal["auto"] | Precision = "float32"
    pruner: PrunerName = "promote"
    grace_epochs: Count = 1
    reduction_factor: int = Field(2, ge=2, le=1_000_000)
    storage: str | None = None  # a database, for the study
    checkpoints: str | None = None  # an object store, for the training states
    start_from: str | None = None


class Constraints(_Table):
    """The section [constraints]: what a network must not exceed, so that its trial is not trained, or ends early."""

    max_parameters: int | None = Field(None, ge=1, le=10_000_000_000)
    max_milliseconds_per_image: float | None = Field(None, gt=0, le=1e9)


class Confirm(_Table):
    """The section [confirm]: how many of the best trials to train again, on how many fresh seeds, beside which recipe.

    `recipe` holds what differs from the article's recipe; None compares with none.
    """

    top: int = Field(3, ge=0, le=1_000_000)  # 0 confirms none
    seeds: Count = 3
    most_seeds: Count | None = None
    recipe: dict[str, Any] | None = None


class Export(_Table):
    """The section [export]: whether to train the winner once more, on most validation images too."""

    refit: bool = False


class Resources(_Table):
    """The section [resources]: what a search may use. It may change on resume, as a few keys of other sections may."""

    cpus_per_trial: Count | Literal["auto"] = 1
    trials_per_gpu: Annotated[int, Field(ge=1, le=100)] | Literal["auto"] = "auto"
    max_minutes: float | None = Field(None, gt=0, le=1e9)
    trial_timeout: float | None = Field(None, gt=0, le=1e9)  # seconds
    max_consecutive_failures: Count = 10


class Report(_Table):
    """The section [report]: what is written besides the report, for other programs. It may change on resume."""

    tensorboard: bool = False


class Experiment(_Table):
    """A whole configuration. `automatic` holds what a search itself chose and found out."""

    data: Data = Data()
    search: Search
    hyperparameters: dict[str, Any] = {}
    points: list[dict[str, Any]] = []
    constraints: Constraints = Constraints()
    confirm: Confirm = Confirm()
    export: Export = Export()
    resources: Resources = Resources()
    report: Report = Report()
    automatic: dict[str, Any] = {}

    @cached_property
    def space(self) -> Space:
        return parse_space(self.hyperparameters, self.constraints.max_parameters)

    @cached_property
    def recipe_differences(self) -> dict[str, Any] | None:
        """Return what the recipe that the best are compared with has otherwise than the article's; None for none."""
        recipe = self.confirm.recipe
        return None if recipe is None else fixed_values(recipe, "confirm.recipe.")

    @cached_property
    def first_points(self) -> list[dict[str, Any]]:
        """Return the points to try before the sampler suggests any: the article's recipe, then those in [[points]]."""
        named: list[dict[str, Any]] = [{}] if self.search.recipe_first and self.space.searched else []
        return [recipe_point(self.space, point) for point in [*named, *self.points]]

    @property
    def images(self) -> int:
        """Return the number of validation images: of a run's own configuration those that it found, else the wanted."""
        return int(self.automatic.get("validation_images", self.data.validation_images))

    def stopping(self, images: int) -> Stopping | None:
        """Return the rule that may end the search early, of accuracies over so many images; None without one."""
        search = self.search
        if search.stop is None:
            return None
        return Stopping(search.trials, startup_of(search.trials), images, training_pace(self.space.fixed))
