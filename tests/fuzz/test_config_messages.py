"""Each mistake in a configuration has its message, pinned here as a whole line."""

from pathlib import Path
from typing import get_args

import pytest
import torch

from model.errors import ConfigError
from model.hyperparameters import Hyperparameters
from model.machine import usable_cpus
from model.network import Net
from search.experiment import check_cpus, load_experiment
from tests.fuzz.survival import survived

SEARCH = "[search]\ntrials = 2\npruner = 'none'\n"
SPACE = "[hyperparameters]\ndropout1 = { low = 0.0, high = 0.5 }\n"
FIELDS = (
    "known are batch_norm, batch_size, blur, contrast, conv1_width, conv2_width, dropout1, dropout2, elastic, "
    "ema_decay, epochs, gamma, hidden_width, kernel_size, label_smoothing, learning_rate, momentum, noise, optimizer, "
    "pool, rotation, scale, schedule, shear, shift, thickness, weight_decay"
)
GPUS = "a search takes all GPUs that there are; resources.trials_per_gpu says how many trials share one"
MANY = "should be less than or equal to 1000000; lower it (docs/configuration.md)"
WHOLE = "should be a valid integer; write a whole number, without quotes (docs/configuration.md)"
NO_PLACES = (
    "s3:/bucket",
    "s3://[x",
    "s3://bucket/runs#x?region=eu",
    "s3://bucket/my runs",
    "s3://bucket/größe",
    "runs",
)
NO_PLACE = (
    "neither an object store nor an absolute path, without spaces, in ASCII; "
    "write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or /PATH, or leave it out for the run's folder"
)
WITH_KEYS = ("s3://me:secret@bucket/runs", "s3://bucket/runs?secret_key=x")
KEY_SHOWN = (
    "search.checkpoints: a key in it would be copied into experiment.toml and the report; "
    "take it out and put it into ~/.aws/credentials or AWS_SECRET_ACCESS_KEY"
)
MISTAKES = {
    # unknown keys, with the nearest known one
    "[search]\ntrails = 2": "search.trails = 2: unknown key; did you mean 'trials'?",
    "[search]\ntrials = 2\ninterval = 3": "search.interval = 3: unknown key; did you mean 'trials'?",
    "integer = 3": "integer = 3: unknown key; "
    "known are confirm, constraints, data, export, hyperparameters, points, report, resources, search",
    SEARCH + "[reources]\nseed = 1": "reources = {'seed': 1}: unknown key; did you mean 'resources'?",
    SEARCH + "[confirm]\nrefit = true": "confirm.refit = True: unknown key; it belongs under [export]",
    SEARCH + "tensorboard = true": "search.tensorboard = True: unknown key; it belongs under [report]",
    SEARCH + "[report]\ntensorbord = true": "report.tensorbord = True: unknown key; did you mean 'tensorboard'?",
    SEARCH + SPACE + "zzz = 1": f"hyperparameters.zzz = 1: no such hyperparameter; {FIELDS}",
    SEARCH + SPACE + '"a\\nb" = 1': f"hyperparameters.a\\nb = 1: no such hyperparameter; {FIELDS}",
    SEARCH + SPACE + "[[points]]\ndropot1 = 0.1": "points: dropot1 = 0.1: not a searched hyperparameter; "
    "only searched fields may be named; did you mean 'dropout1'?",
    SEARCH + SPACE + "[confirm.recipe]\nepoch = 3": "confirm.recipe.epoch = 3: no such hyperparameter; "
    "did you mean 'epochs'?",
    # wrong types
    SEARCH + SPACE + "[confirm]\nrecipe = { epochs = [3, 4] }": "confirm.recipe.epochs = [3, 4]: "
    "should be a valid integer; use a whole number >= 1 and <= 10000",
    SEARCH + SPACE + "[confirm]\nrecipe = true": "confirm.recipe = True: should be a valid dictionary; "
    "write it as a table, [name] on a line of its own (docs/configuration.md)",
    "[search]\ntrials = '2'": f"search.trials = '2': {WHOLE}",
    "[search]\ntrials = 2.5": f"search.trials = 2.5: {WHOLE}",
    "[search] # " + "-" * 1_000: "a line of 1,011 characters, more than 1,000; break or shorten it",
    "[search]\ntrials = 2\nrecipe_first = 1": "search.recipe_first = 1: should be a valid boolean; "
    "write true or false, without quotes (docs/configuration.md)",
    SEARCH + "[report]\ntensorboard = 'yes'": "report.tensorboard = 'yes': should be a valid boolean; "
    "write true or false, without quotes (docs/configuration.md)",
    SEARCH + SPACE + "learning_rate = 2020-01-31": "hyperparameters.learning_rate = datetime.date(2020, 1, 31): "
    "should be a valid number; use a number > 0.0 and <= 100.0",
    SEARCH + SPACE + "[[points]]\ndropout1 = false": "points: dropout1 = False: outside the space, "
    "which holds 0.0 to 0.5; widen it or move the point",
    SEARCH + SPACE + "batch_norm = 'yes'": "hyperparameters.batch_norm = 'yes': "
    "should be a valid boolean; use true or false",
    SEARCH + SPACE + "batch_norm = [true, false]\n[[points]]\nbatch_norm = 1": "points: batch_norm = 1: "
    "outside the space, which holds [True, False]; widen it or move the point",
    # ranges
    SEARCH + "[hyperparameters]\ndropout1 = { low = 0.5, high = 0.1 }": "hyperparameters.dropout1 = "
    "{'low': 0.5, 'high': 0.1}: `low <= high` must hold, but got (low=0.5, high=0.1); "
    "correct the range (docs/configuration.md)",
    SEARCH + "[hyperparameters]\nepochs = {}": "hyperparameters.epochs = {}: "
    "a range needs low and high, low is missing; add it",
    SEARCH + "[hyperparameters]\nweight_decay = { low = 0.0, high = 0.1, log = true }": "hyperparameters."
    "weight_decay = {'low': 0.0, 'high': 0.1, 'log': True}: "
    "`low > 0` must hold for `log=True`, but got (low=0.0, high=0.1); correct the range (docs/configuration.md)",
    SEARCH + "[hyperparameters]\nlearning_rate = { low = 0, high = 0.1, log = true }": "hyperparameters."
    "learning_rate.low = 0: should be greater than 0; use a number > 0.0 and <= 100.0",
    SEARCH + "[hyperparameters]\ndropout1 = { low = 0, high = 0.5, step = 5e-300 }": "hyperparameters."
    "dropout1.step = 5e-300: is too small to count the steps; drop it",
    SEARCH + "[hyperparameters]\ndropout1 = { low = 0, high = 0.5, prior = 0.6 }": "hyperparameters."
    "dropout1.prior = 0.6: outside the range, which holds 0.0 to 0.5; widen it or move the prior",
    SEARCH + "[hyperparameters]\ndropout1 = { low = 0, high = 0.5, priors = 0.3 }": "hyperparameters."
    "dropout1.priors = 0.3: no such key of a range; did you mean 'prior'?",
    SEARCH + "[hyperparameters]\ndropout1 = { low = 0, high = 0.5, prior = 'low' }": "hyperparameters."
    "dropout1.prior = 'low': should be a valid number; use a number >= 0.0 and < 1.0",
    # the end of a search
    "[search]\ntrials = 2\nstop = 'never'": "search.stop = 'never': should be 'auto'; "
    "write one of these, in quotes (docs/configuration.md)",
    "[search]\ntrials = 2\nstop = 30": "search.stop = 30: should be 'auto'; "
    "write one of these, in quotes (docs/configuration.md)",
    # places outside of the run's folder
    **{SEARCH + f"checkpoints = '{place}'": f"search.checkpoints = '{place}': {NO_PLACE}" for place in NO_PLACES},
    **dict.fromkeys([SEARCH + f"checkpoints = '{place}'" for place in WITH_KEYS], KEY_SHOWN),
    # pixels
    SEARCH + "[hyperparameters]\nkernel_size = [3, 9]": "hyperparameters.kernel_size = 9: "
    "should be 3, 5 or 7; use one of [3, 5, 7]",
    # GPUs and CPUs
    "[search]\ntrials = 1\n[resources]\ngpus = 8": f"resources.gpus = 8: unknown key; {GPUS}",
    "[search]\ntrials = 1\n[resources]\ngpus_per_trial = 2": f"resources.gpus_per_trial = 2: unknown key; {GPUS}",
    "[search]\ntrials = 1\n[resources]\ntrials_per_gpu = 1_000_000_000": "resources.trials_per_gpu = 1000000000: "
    "should be less than or equal to 100 or should be 'auto'; lower it (docs/configuration.md)",
    "[search]\ntrials = 1\n[resources]\ncpus_per_trial = 100_000": "resources.cpus_per_trial = 100000: "
    f"only {usable_cpus()} of this machine's may be used; use at most {usable_cpus()}",
    SEARCH + SPACE + "[confirm]\nseeds = 4\nmost_seeds = 3": "confirm.most_seeds = 3: fewer than confirm.seeds = 4; "
    "raise it or leave it out",
    # empty spaces, spaces too small, duplicates
    SEARCH: "search.trials = 2: nothing is searched; use trials = 1 or search more in [hyperparameters]",
    SEARCH + "[hyperparameters]\nepochs = []": "hyperparameters.epochs = []: a choice needs two values or more; "
    "write a single value as epochs = VALUE",
    "[search]\ntrials = 3\n[hyperparameters]\nkernel_size = [3, 5]": "search.trials = 3: "
    "the space holds only 2 points; use trials = 2 or search more in [hyperparameters]",
    SEARCH + "[hyperparameters]\ndropout1 = [0, 0.0]": "hyperparameters.dropout1 = [0, 0.0]: "
    "duplicate choice 0.0; remove it",
    SEARCH + SPACE + "[[points]]\ndropout1 = 0.25": "points: {'dropout1': 0.25}: "
    "the same point as the article's recipe, which comes first; list each once",
    SEARCH + SPACE + "[[points]]\ndropout1 = 0.1\n[[points]]\ndropout1 = 0.1": "points: {'dropout1': 0.1}: "
    "the same point as an earlier one; list each once",
    # constraints
    SEARCH + SPACE + "[constraints]\nmax_parameters = 1_199_881": "constraints.max_parameters = 1199881: "
    "the smallest network of the space has 1,199,882 parameters; raise it or search smaller networks",
    "[search]\ntrials = 4\n[constraints]\nmax_parameters = 200_000\n"
    "[hyperparameters]\nconv1_width = [8, 64]\nconv2_width = [8, 64]": "search.trials = 4: "
    "the space holds only 2 points within constraints.max_parameters; "
    "use trials = 2 or search more in [hyperparameters]",
    SEARCH + "[constraints]\nmax_parameters = 200_000\n[hyperparameters]\nconv2_width = [8, 64]\nepochs = [3, 4]\n"
    "[[points]]\nconv2_width = 64": "points: {'conv2_width': 64}: its network has 1,199,882 parameters, "
    "constraints.max_parameters is 200,000; raise that or name a smaller network",
    SEARCH + SPACE + "[constraints]\nmax_parameters = 0": "constraints.max_parameters = 0: "
    "should be greater than or equal to 1; raise it (docs/configuration.md)",
    SEARCH + SPACE + "[constraints]\nmax_milliseconds_per_image = 0": "constraints.max_milliseconds_per_image = 0: "
    "should be greater than 0; raise it (docs/configuration.md)",
    SEARCH + SPACE + "max_parameters = 100": "hyperparameters.max_parameters = 100: no such hyperparameter; " + FIELDS,
    SEARCH + SPACE + "[resources]\nmax_parameters = 100": "resources.max_parameters = 100: unknown key; "
    "it belongs under [constraints]",
    # numbers of trials
    "[search]\ntrials = 0": "search.trials = 0: should be greater than or equal to 1; raise it (docs/configuration.md)",
    "[search]\ntrials = 1_000_000_000_000": f"search.trials = 1000000000000: {MANY}",
    f"[search]\ntrials = {'9' * 900}": f"search.trials = {'9' * 100}...: {MANY}",
    f"[search]\ntrials = {'9' * 5000}": "a line of 5,009 characters, more than 1,000; break or shorten it",
    f"[search]\ntrials = 0x{'f' * 5000}": "a line of 5,011 characters, more than 1,000; break or shorten it",
    f"[search]\ntrials = 1\nsampler = '{'tpe' * 300}'": f"search.sampler = '{'tpe' * 33}...: "
    "should be 'tpe', 'random', 'qmc' or 'gp'; write one of these, in quotes (docs/configuration.md)",
    SEARCH + "[resources]\nmax_minutes = inf": "resources.max_minutes = inf: should be a finite number; "
    "leave the key out for no limit (docs/configuration.md)",
    SEARCH + SPACE + "learning_rate = nan": "hyperparameters.learning_rate = nan: should be less than or equal to 100; "
    "use a number > 0.0 and <= 100.0",
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[-60:].replace("\n", " "))
def test_the_whole_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        check_cpus(load_experiment(path), str(path))
    assert str(caught.value) == f"{path}: {MISTAKES[text]}"


HARMFUL = {
    "100,000 brackets": "a = " + "[" * 100_000,
    "30,000 lines of brackets": "a = " + "[\n" * 30_000,
    "brackets that close": "a = " + "[" * 200 + "]" * 200,
    "100,000 parts in a key": "a." * 100_000 + "a = 1",
    "30,000 parts in a key": "a." * 30_000 + "a = 1",
    "480 parts in each key": "".join(f"{'a.' * 480}b{number} = 1\n" for number in range(65)),
    "480 parts above 6,000 keys": f"[{'a.' * 480}a]\n" + "".join(f"b{number} = 1\n" for number in range(6_000)),
    "8,000 quoted parts": '"a\u2028".' * 8_000 + "a = 1",
    "6,000 values": SEARCH
    + "[hyperparameters]\ndropout1 = [\n"
    + "".join(f"0.{number:05},\n" for number in range(6_000))
    + "0.0]",
    "20,000 parts in a field": SEARCH + "[hyperparameters]\nepochs." + "a." * 20_000 + "a = 1",
    "20,000 parts in a header": "[" + "a." * 20_000 + "a]",
    "10 MB of one key": "a" * 10_000_000 + " = 1",
    "1 MB of one key": "a" * 990_000 + " = 1",
    "30,000 points": SEARCH + SPACE + "[[points]]\ndropout1 = 0.1\n" * 30_000,
    "2,000 points": SEARCH + SPACE + "".join(f"[[points]]\ndropout1 = 0.{number:05}\n" for number in range(2_000)),
    "a point of 900 digits": SEARCH + SPACE + f"[[points]]\ndropout1 = 0x{'f' * 900}",
    "a point of 5,000 digits": SEARCH + SPACE + f"[[points]]\ndropout1 = 0x{'f' * 5000}",
    "a choice of 500 digits": SEARCH
    + f"[hyperparameters]\nkernel_size = [3, 5]\n[[points]]\nkernel_size = 0x{'f' * 500}",
    "an infinite point": SEARCH + SPACE + "[[points]]\ndropout1 = inf",
    "a point that is no number": SEARCH + SPACE + "[[points]]\ndropout1 = nan",
    "terminal codes": '[search]\ntrials = "\\u001b[2J\\u0007\\u202e"',
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_texts(tmp_path: Path, name: str) -> None:
    path = tmp_path / "harm.toml"
    path.write_text(HARMFUL[name])
    with survived(ConfigError, name, path):
        load_experiment(path)
        pytest.fail("accepted")


@pytest.mark.parametrize("kernel_size", get_args(Hyperparameters.model_fields["kernel_size"].annotation))
@pytest.mark.parametrize("pool", get_args(Hyperparameters.model_fields["pool"].annotation))
def test_every_allowed_kernel_and_pooling_leaves_pixels(kernel_size: int, pool: str) -> None:
    """The fields' bounds rule out every network that would leave no pixels."""
    net = Net(conv1_width=1, conv2_width=1, kernel_size=kernel_size, hidden_width=1, pool=pool)
    assert net(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    assert net.fc1.in_features >= 1
