"""Layer-wise pre-training and fine-tuning of a sigmoid network on handwritten digits, beside other initializations.

Needs torch, scikit-learn and matplotlib, which `pip install 'weightfill[torch,signals]'` gives:

    python fine_tuning.py                          # the table, in some minutes
    python fine_tuning.py --png pretraining.png    # and the picture

All networks have the same layers and get the same number of updates from the same optimizer. They differ only in their
initial weights. "pre-trained" has seen all training images without labels before. Each seed has its own split into
training and test images, its own labelled images and its own order.
"""

import argparse
import statistics
import sys
from itertools import islice, pairwise

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.func import stack_module_state

import weightfill as wf
import weightfill.torch
from weightfill import signals

SIZES = (64, 100, 100, 100, 10)
PRETRAINING_EPOCHS = 30
BATCH, RATE, MOMENTUM = 20, 0.1, 0.9
IMAGES, EVERY = 1437, 50  # in training; updates from one look at the test images to the next
GOALS = {100: 0.8, 500: 0.9, None: 0.9}  # share of the test images to tell right, by images with a label; None: all
STARTS = {
    "pre-trained": wf.XavierUniform(),  # of the last layer, which labels alone can train
    "Xavier": wf.XavierUniform(),
    "standard": wf.StandardUniform(),
    "0.01 randn": wf.Normal(std=0.01),
}
COLOURS = {"pre-trained": "tab:blue", "Xavier": "tab:green", "standard": "tab:orange", "0.01 randn": "tab:red"}


def network(start, pretrained, seed):
    """Return the network with its initial values."""
    layers = [
        layer for inputs, units in pairwise(SIZES) for layer in (torch.nn.Linear(inputs, units), torch.nn.Sigmoid())
    ]
    model = torch.nn.Sequential(*layers[:-1])  # no sigmoid at the end
    weightfill.torch.initialize(model, wf.Plan({"*.bias": wf.Zeros(), "*": STARTS[start]}, seed=seed))
    if start == "pre-trained":
        model[:-1].load_state_dict({name: torch.from_numpy(array) for name, array in pretrained.items()})
    return model


def outputs(parameters, samples):
    """Return the outputs of several networks at once; all arguments have the networks along their first axis."""
    names = [name.removesuffix(".weight") for name in parameters if name.endswith(".weight")]
    for name in names:
        bias, weight = parameters[f"{name}.bias"], parameters[f"{name}.weight"]
        samples = torch.baddbmm(bias[:, None], samples, weight.mT)
        if name != names[-1]:
            samples = torch.sigmoid(samples)
    return samples


def fine_tune(models, images, labels, test_images, test_labels, updates):
    """Train networks with labels, all at once, each on images of its own; return the curves of their test accuracy.

    Args:
        models: one for each seed.
        images: of shape (seeds, images, pixels).
        labels: of shape (seeds, images).
        test_images: as `images`.
        test_labels: as `labels`.
        updates: of the weights.

    Returns:
        The share of test images that are told right, after each `EVERY` updates, of shape (seeds, updates / EVERY).
    """
    parameters, _ = stack_module_state(models)
    optimizer = torch.optim.SGD(parameters.values(), lr=RATE, momentum=MOMENTUM)
    seeds, count = labels.shape
    numbers = torch.arange(seeds)[:, None]
    batches = zip(*(batches_of(count, seed) for seed in range(seeds)), strict=True)
    right = []
    for update, batch in enumerate(islice(batches, updates), 1):
        batch = torch.from_numpy(np.stack(batch))
        optimizer.zero_grad()
        found = outputs(parameters, images[numbers, batch])
        loss = torch.nn.functional.cross_entropy(found.flatten(0, 1), labels[numbers, batch].flatten())
        (seeds * loss).backward()  # the sum of the seeds' losses: no seed knows of the others
        optimizer.step()
        if update % EVERY == 0:
            with torch.no_grad():
                right.append((outputs(parameters, test_images).argmax(2) == test_labels).float().mean(1))
    return torch.stack(right, 1).numpy()


def batches_of(count, seed):
    """Yield the numbers of the images in each batch, in a new order in each epoch, without end."""
    random = np.random.default_rng(seed)
    while True:
        yield from random.permutation(count)[: count // BATCH * BATCH].reshape(-1, BATCH)


def experiment(seeds, updates, epochs=PRETRAINING_EPOCHS):
    """Return what was pre-trained, by seed, and the curves of test accuracy by (images with a label, start)."""
    images, digits = load_digits(return_X_y=True)
    splits = [
        train_test_split(images / 16, digits, test_size=0.2, random_state=seed, stratify=digits)
        for seed in range(seeds)
    ]
    pretrained = []
    for seed, (train, *_) in enumerate(splits):
        pretrained.append(signals.pretrain(SIZES[:-1], train, seed=seed, epochs=epochs))
        print(f"pre-trained {seed + 1} of {seeds}", file=sys.stderr)
    x, test_x, y, test_y = (torch.from_numpy(np.stack(part)) for part in zip(*splits, strict=True))
    curves = {}
    for labelled in GOALS:
        for start in STARTS:
            models = [network(start, pretrained[seed], seed) for seed in range(seeds)]
            curves[labelled, start] = fine_tune(
                models, x[:, :labelled].float(), y[:, :labelled], test_x.float(), test_y, updates
            )
            print(f"fine-tuned {start} with {labelled or 'all'} labels", file=sys.stderr)
    return pretrained, curves


def mean_and_spread(numbers, digits):
    """Return the mean of some numbers and their standard deviation, as text."""
    spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    return f"{statistics.mean(numbers):.{digits}f} +- {spread:.{digits}f}"


def table(curves):
    """Return the table in Markdown."""
    lines = [
        "| images with a label | start | accuracy at the end, % | goal, % | epochs to the goal | of |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for (labelled, start), of_seeds in curves.items():
        goal, epoch = GOALS[labelled], (labelled or IMAGES) // BATCH  # in updates
        reached = [EVERY * (int((curve >= goal).argmax()) + 1) / epoch for curve in of_seeds if curve.max() >= goal]
        epochs = mean_and_spread(reached, 0) if reached else "never"
        if 0 < len(reached) < len(of_seeds):
            epochs += f" ({len(reached)} of {len(of_seeds)} seeds)"
        accuracy = mean_and_spread([100 * float(curve[-1]) for curve in of_seeds], 1)
        most = EVERY * of_seeds.shape[1] // epoch
        lines.append(f"| {labelled or 'all'} | {start} | {accuracy} | {100 * goal:.0f} | {epochs} | {most} |")
    return "\n".join(lines)


def picture(pretrained, curves, path):
    """Draw what the units of the first layer look for, and the accuracy: mean and range of the seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 + 3.6 * len(GOALS), 4), dpi=100, layout="constrained")
    filters, *axes = figure.subplots(1, 1 + len(GOALS))
    rows = pretrained["0.weight"].reshape(10, 10, 8, 8)
    rows = rows / np.abs(rows).max((2, 3), keepdims=True)
    wide = np.pad(rows, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    filters.imshow(wide.swapaxes(1, 2).reshape(90, 90), cmap="RdBu", vmin=-1, vmax=1)
    filters.set_title("first layer after pre-training:\nweights of its 100 units, each on its own scale", fontsize=9)
    filters.set_axis_off()
    for axis, labelled in zip(axes, GOALS, strict=True):
        for start, colour in COLOURS.items():
            of_seeds = 100 * curves[labelled, start]
            updates = EVERY * np.arange(1, of_seeds.shape[1] + 1)
            axis.plot(updates, of_seeds.mean(0), color=colour, label=start, linewidth=1.2)
            axis.fill_between(updates, of_seeds.min(0), of_seeds.max(0), color=colour, alpha=0.15, linewidth=0)
        axis.set_title(f"{labelled or f'all {IMAGES:,}'} images with a label", fontsize=9)
        axis.set_xlabel("updates in fine-tuning", fontsize=8)
        axis.set_ylim(0, 100)
        axis.grid(alpha=0.3, linewidth=0.5)
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("test images told right, %", fontsize=8)
    axes[-1].legend(fontsize=8, loc="lower right")
    figure.savefig(path)


def main():
    """Print the table, and draw the picture if it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10, help="number of repetitions (default 10)")
    parser.add_argument("--updates", type=int, default=7000, help="of the weights, in fine-tuning (default 7000)")
    parser.add_argument("--png", help="file to draw the picture into")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the networks are small
    pretrained, curves = experiment(options.seeds, options.updates)
    print(table(curves))
    if options.png:
        picture(pretrained[0], curves, options.png)


if __name__ == "__main__":
    main()
