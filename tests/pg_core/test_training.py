"""Training: the objectives against literal loops, and a run that is killed and goes on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pg_core.datasets.folders import labelled_photos
from pg_core.networks.bodies.architectures import Bands, Pointwise, Whole
from pg_core.networks.bodies.pointwise import shifted
from pg_core.networks.network import CheckpointError
from pg_core.networks.shipped import write
from pg_core.networks.trained import untrained
from pg_core.photos.read import read, to_pixels
from pg_core.training.batches import batch
from pg_core.training.loop import read_checkpoint, split, starting_point, train
from pg_core.training.objectives import objective, provable_loss, window_loss
from pg_core.training.recipe import BandRecipe, MapRecipe, TileRecipe, WholeRecipe
from pg_core.training.teacher import taught, taught_tiles

RECIPE = TileRecipe(
    tile=8,
    side=16,
    photos_per_step=4,
    parts_per_photo=3,
    dropped=1,
    steps=9,
    warmup=2,
    held_out=2,
    averaging=0.5,
)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.convolution = nn.Conv2d(3, 4, 3, 2)
        self.head = nn.Linear(4, 3)

    def forward(self, tiles):
        return self.head(self.convolution(tiles).relu().mean(dim=(2, 3)))


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    for label, name in enumerate(("red", "green", "blue")):
        (tmp_path / name).mkdir()
        for number in range(4):
            pixels = generator.integers(0, 60, (32, 32, 3))
            pixels[..., label] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    return labelled_photos(tmp_path, ("red", "green", "blue"))


def softmax(values):
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def targets(labels, classes, share):
    """Probabilities of which the label's is 1 - share at least."""
    generator = torch.Generator().manual_seed(9)
    others = torch.rand((len(labels), classes), generator=generator, dtype=torch.float64)
    wanted = share * others / others.sum(dim=1, keepdim=True)
    wanted[torch.arange(len(labels)), labels] += 1 - share
    return wanted


def cross_entropy(wanted, probabilities):
    return -sum(q * math.log(p) for q, p in zip(wanted, probabilities, strict=True))


@pytest.mark.parametrize(
    ("dropped", "power", "sharpness", "part_weight"),
    [(0, 1, 1.0, 0.0), (1, 1, 2.0, 0.5), (2, 1, 1.0, 1.0), (1, 3, 1.0, 0.5)],
)
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_the_objective_of_parts_is_the_literal_loop(dropped, power, sharpness, part_weight, share):
    logits = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 2, 0])
    wanted, of_photos, of_tiles, of_taught = targets(labels, 3, share), [], [], []
    thought = targets(labels.repeat_interleave(4), 3, 0.9)
    for photo, y, q, r in zip(
        logits.tolist(), labels.tolist(), wanted.tolist(), thought.reshape(5, 4, 3).tolist(), strict=True
    ):
        of_tiles += [cross_entropy(q, softmax(tile)) for tile in photo]
        of_taught += [cross_entropy(asked, softmax(tile)) for asked, tile in zip(r, photo, strict=True)]
        tiles = [[p**power for p in softmax(tile)] for tile in photo]
        own = sorted((tile[y] for tile in tiles), reverse=True)[dropped:]
        sums = [sum(own) if c == y else sum(tile[c] for tile in tiles) for c in range(3)]
        powers = [(total / len(tiles) + 1e-4) ** sharpness for total in sums]
        of_photos.append(cross_entropy(q, [each / sum(powers) for each in powers]))
    recipe = TileRecipe(
        parts_per_photo=4, dropped=dropped, power=power, sharpness=sharpness, part_weight=part_weight
    )
    for of_parts, part_targets in ((of_tiles, None), (of_taught, thought)):
        expected = np.mean(of_photos) + part_weight * np.mean(of_parts)
        for asked in [wanted] if share else [wanted, labels]:
            loss = objective(recipe, logits.flatten(0, 1), labels, asked, part_targets)
            assert loss.item() == pytest.approx(expected)


def test_provable_loss_is_the_literal_loop():
    logits = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([3, 0, 1])
    losses = []
    for image, y in zip(logits.numpy(), labels.tolist(), strict=True):
        û = np.maximum(image, 0)
        sums = [û[y, i : i + 2, j : j + 3].sum() for i in range(4) for j in range(4)]
        totals = û.sum(axis=(1, 2))
        totals[y] -= max(sums)
        losses.append(-math.log(softmax(totals / 30)[y]))
    assert provable_loss(logits, labels, (2, 3)).item() == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_window_loss_is_the_literal_loop(share):
    logits = torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    labels, size, losses = torch.tensor([2, 0, 1, 1]), 2, []
    wanted = targets(labels, 3, share)
    for image, y, q in zip(logits.numpy(), labels.tolist(), wanted.tolist(), strict=True):
        û = np.maximum(image, 0)
        outside = np.ones((5, 6))
        masks = []
        for _ in range(2):
            corners = [(i, j) for i in range(4) for j in range(5)]
            sums = [(û[y] * outside)[i : i + size, j : j + size].sum() for i, j in corners]
            i, j = corners[int(np.argmax(sums))]
            outside = outside.copy()
            outside[i : i + size, j : j + size] = 0
            masks.append(outside)
        scores = [(û[c] * masks[1 if c == y else 0]).sum() / 30 * 3.0 for c in range(3)]
        clean = softmax([3.0 * û[c].mean() for c in range(3)])
        losses.append(cross_entropy(q, softmax(scores)) + 0.5 * cross_entropy(q, clean))
    for asked in [wanted] if share else [wanted, labels]:
        assert window_loss(logits, labels, asked, size, 3.0, 0.5).item() == pytest.approx(np.mean(losses))


def test_bands_of_a_step_are_columns_of_its_photos_and_wrap(photos):
    recipe = BandRecipe(photos_per_step=6, shards=1, parts_per_photo=8, shift=0, jitter=0)
    (bands, first), which = batch(photos, (32, 32), recipe, 0, 0)
    assert (bands.shape, first.shape, which.shape) == ((48, 3, 32, 4), (48,), (6,))
    assert (first.reshape(6, 8).sort(dim=1).values.diff(dim=1) == 4).all()
    again, _ = batch(photos, (32, 32), recipe, 0, 0)
    assert torch.equal(again[0], bands)
    known = [to_pixels(read(photo.path), (32, 32)) * 2 - 1 for photo in photos]
    for band, column in zip(bands, first.tolist(), strict=True):
        columns = [(column + offset) % 32 for offset in range(4)]
        assert any(
            np.allclose(band, image[..., columns], atol=1e-6)
            for pixels in known
            for image in (pixels, pixels[..., ::-1])
        )


def test_bands_of_a_step_are_nearer_and_farther_and_of_other_colours_when_asked(photos):
    plain = BandRecipe(photos_per_step=6, shards=1, parts_per_photo=2, shift=0)
    shown, zoomed, coloured = (
        batch(photos, (32, 32), recipe, 0, 0)
        for recipe in (plain, replace(plain, shift=2, zoom=4), replace(plain, colour=0.5))
    )
    spread = [bands.std(dim=(1, 2, 3)).mean() for (bands, _), _ in (shown, zoomed, coloured)]
    assert spread[1] < 0.98 * spread[0], "what is between pixels is smoother than they are"
    for (bands, _), which in (zoomed, coloured):
        assert bands.shape == shown[0][0].shape
        assert bands.abs().max() <= 1
        labels = torch.tensor([photos[index].label for index in which])
        of_photos = bands.mean(dim=(2, 3)).argmax(dim=1)
        assert torch.equal(of_photos, labels.repeat_interleave(2)), "a red photo stays red"
    means = coloured[0][0].mean(dim=(2, 3)) - shown[0][0].mean(dim=(2, 3))
    assert means.abs().max() > 0.05


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [(BandRecipe(), {"shift": 2, "zoom": 5}), (TileRecipe(), {"zoom": 33}), (BandRecipe(), {"colour": -0.1})],
)
def test_more_than_there_is_around_a_photo_cannot_be_shown(recipe, changes):
    with pytest.raises(ValueError, match=r"expected 0 <= zoom <= \d+ and colour >= 0"):
        replace(recipe, **changes)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 4), (3, 1)])
def test_copies_side_by_side_are_those_of_a_convolution_with_its_gradient(size, stride):
    values = torch.rand(2, 7, 6, 3, dtype=torch.float64, requires_grad=True)
    sides = values.unfold(1, size[0], stride).unfold(2, size[1], stride)
    assert torch.equal(shifted(values, size, stride), sides.permute(0, 1, 2, 4, 5, 3).flatten(3))
    assert torch.autograd.gradcheck(lambda some: shifted(some, size, stride), values)


def test_maps_of_a_step_begin_within_the_stride_and_say_where(photos):
    recipe = MapRecipe(photos_per_step=4, shards=1, training_stride=4)
    corners = set()
    for step in range(12):
        (images, top, left), _ = batch(photos, (32, 32), recipe, step, 0)
        assert images.shape[2:] == (32 - top, 32 - left)
        corners.add((int(top), int(left)))
    assert len(corners) > 4
    assert all(0 <= top < 4 and 0 <= left < 4 for top, left in corners)


def test_tiles_of_a_step_are_of_several_sizes_and_colours_when_asked(photos):
    plain = TileRecipe(photos_per_step=6, shards=1, parts_per_photo=2, dropped=1, tile=16, side=16)
    varied = replace(plain, zoom=4, colour=0.5)
    (tiles,), _ = batch(photos, (32, 32), plain, 0, 0)
    known = [to_pixels(read(photo.path), (32, 32)) * 2 - 1 for photo in photos]
    places = [
        image[:, top : top + 16, left : left + 16]
        for pixels in known
        for image in (pixels, pixels[..., ::-1])
        for top in range(17)
        for left in range(17)
    ]
    assert all(any(np.allclose(tile, place, atol=1e-6) for place in places) for tile in tiles)
    (others,), which = batch(photos, (32, 32), varied, 0, 0)
    labels = torch.tensor([photos[index].label for index in which])
    assert others.shape == tiles.shape
    assert others.abs().max() <= 1
    assert torch.equal(batch(photos, (32, 32), varied, 0, 0)[0][0], others)
    means = others.mean(dim=(2, 3))
    assert torch.equal(means.argmax(dim=1), labels.repeat_interleave(2)), "a red photo stays red"
    assert not any(
        torch.allclose(tile.mean(dim=(1, 2)), mean, atol=0.02)
        for tile, mean in zip(tiles, means, strict=True)
    )


def test_a_square_of_each_whole_photo_is_erased(photos):
    recipe = WholeRecipe(photos_per_step=6, shards=1, shift=0, erased=8)
    seen = set()
    for step in range(8):
        (images,), which = batch(photos, (32, 32), recipe, step, 0)
        for image, index in zip(images.numpy(), which, strict=True):
            pixels = to_pixels(read(photos[index].path), (32, 32)) * 2 - 1
            same = [np.isclose(image, other, atol=1e-6).all(axis=0) for other in (pixels, pixels[..., ::-1])]
            erased = np.argwhere(~max(same, key=np.sum))
            assert (image[:, *erased.T] == 0).all()
            height, width = np.ptp(erased, axis=0) + 1
            assert len(erased) == height * width <= 64, "all of a rectangle, and nothing outside of it"
            seen.add((height, width))
    assert len(seen) > 3, "squares reach outside"


def test_a_teacher_says_what_it_thinks_of_a_photo_and_its_mirror_image(photos):
    teacher = untrained(Whole(), 10).eval()
    told = []
    asked = taught(teacher, photos, (32, 32), 0.25, told.append)
    assert (told[-1].done, told[-1].total) == (len(photos), len(photos))
    for photo, wanted in zip(photos, asked, strict=True):
        image = torch.from_numpy(to_pixels(read(photo.path), (32, 32)) * 2 - 1)[None]
        with torch.no_grad():
            logits = (teacher(image) + teacher(image.flip(3)))[0] / 2
        expected = 0.25 * torch.tensor(softmax(logits.tolist()))
        expected[photo.label] += 0.75
        # bfloat16 has eight bits.
        assert torch.allclose(wanted, expected, atol=5e-3)
    assert (asked.max(dim=1).values < 0.99).all()


def test_a_teacher_of_tiles_says_what_it_thinks_of_each():
    tiles = torch.rand(6, 3, 16, 16)
    wanted = taught_tiles(Tiny(), tiles, torch.tensor([2, 0]), 0.25)
    for number, said in enumerate(Tiny()(tiles).tolist()):
        expected = 0.25 * torch.tensor(softmax(said))
        expected[(2, 0)[number // 3]] += 0.75
        assert torch.allclose(wanted[number], expected)


@pytest.mark.parametrize("kind", [replace(RECIPE, part_weight=50.0, dropped=0), WholeRecipe()])
def test_training_wants_what_the_teacher_says(kind, photos, tmp_path):
    """A teacher of tiles or of photos that is sure of the next class, taken at its word, teaches it."""

    class Contrary(Tiny):
        def forward(self, images):
            return 9 * images.mean(dim=(2, 3)).roll(1, dims=1)

    recipe = replace(
        kind,
        photos_per_step=4,
        steps=60,
        warmup=2,
        peak_rate=0.1,
        relative=False,
        held_out=2,
        teacher_share=1.0,
    )
    for teacher, moved in ((None, 0), (Contrary(), 1)):
        path = tmp_path / f"{moved}.pt"
        base = train(Tiny(), photos, (32, 32), recipe, path, teacher=teacher)
        for photo in photos:
            image = torch.from_numpy(to_pixels(read(photo.path), (32, 32)) * 2 - 1)[None]
            assert base(image).argmax() == (photo.label + moved) % 3


def test_a_network_trained_on_coarse_maps_is_the_one_of_fine_maps():
    fine, recipe = Pointwise(stride=1, width=16, blocks=1), MapRecipe(training_stride=4)
    coarse = starting_point(fine, recipe)
    used = untrained(fine, 10)
    used.load_state_dict(coarse.state_dict())
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(used(images)[..., ::4, ::4], coarse(images), atol=1e-5)


@pytest.mark.parametrize(
    ("network", "recipe"),
    [
        (Bands(), BandRecipe(photos_per_step=4, steps=3, held_out=2, parts_per_photo=2)),
        (Pointwise(width=64, blocks=1), MapRecipe(photos_per_step=4, steps=3, held_out=2)),
        (Whole(), WholeRecipe(photos_per_step=4, steps=3, held_out=2)),
    ],
)
def test_networks_for_small_images_go_on_after_a_kill_too(photos, tmp_path, network, recipe):
    whole = train(starting_point(network, recipe), photos, (32, 32), recipe, tmp_path / "whole.pt")
    train(starting_point(network, recipe), photos, (32, 32), recipe, tmp_path / "cut.pt", last_step=1)
    resumed = train(starting_point(network, recipe), photos, (32, 32), recipe, tmp_path / "cut.pt")
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_a_run_that_was_cut_short_goes_on_to_the_same_weights(photos, tmp_path):
    whole = train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "whole.pt")
    train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "cut.pt", last_step=4)
    resumed = train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "cut.pt")
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert read_checkpoint(tmp_path / "cut.pt").recipe == RECIPE


def test_more_steps_may_be_added_until_the_rate_falls(photos, tmp_path):
    train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "run.pt", last_step=5)
    longer = replace(RECIPE, steps=12)
    resumed = train(Tiny(), photos, (32, 32), longer, tmp_path / "run.pt")
    whole = train(Tiny(), photos, (32, 32), longer, tmp_path / "whole.pt")
    assert torch.equal(resumed.head.weight, whole.head.weight)
    with pytest.raises(ValueError, match="another recipe"):
        train(Tiny(), photos, (32, 32), replace(longer, steps=20), tmp_path / "run.pt")


def test_another_recipe_or_another_file_is_refused(photos, tmp_path):
    train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "run.pt", last_step=1)
    with pytest.raises(ValueError, match="another recipe"):
        train(Tiny(), photos, (32, 32), replace(RECIPE, seed=1), tmp_path / "run.pt")
    (tmp_path / "text.pt").write_text("not a checkpoint")
    with pytest.raises(CheckpointError, match=r"text\.pt"):
        read_checkpoint(tmp_path / "text.pt")


def test_large_matrices_follow_their_momentum_made_orthogonal(photos, tmp_path):
    """One step of Muon moves every singular value of a matrix by about as much; one of AdamW does not."""
    network, moved = Pointwise(width=64, blocks=1), {}
    for orthogonal in (True, False):
        recipe = MapRecipe(photos_per_step=4, steps=2, warmup=1, held_out=2, orthogonal=orthogonal)
        base = starting_point(network, recipe)
        before = base.blocks[0].project.weight.detach().clone()
        train(base, photos, (32, 32), recipe, tmp_path / f"{orthogonal}.pt", last_step=1)
        values = torch.linalg.svdvals(base.blocks[0].project.weight.detach() - before)
        moved[orthogonal] = float(values[5] / values[0])
    assert moved[True] > 0.3 > moved[False]


def test_training_begins_with_shipped_weights_or_says_that_they_do_not_fit(tmp_path):
    network = Pointwise(width=16, blocks=1)
    state = untrained(network, 10).state_dict()
    card = write("small", state, network, {"data": "none"}, tmp_path)
    begun = starting_point(network, MapRecipe(), card).state_dict()
    assert all(torch.allclose(begun[key], value, atol=1e-3) for key, value in state.items())
    with pytest.raises(CheckpointError, match="another network"):
        starting_point(Pointwise(width=24, blocks=1), MapRecipe(), card)


def test_weights_without_a_gradient_stay(photos, tmp_path):
    base = Tiny()
    base.convolution.requires_grad_(False)
    before = base.convolution.weight.clone()
    trained = train(base, photos, (32, 32), RECIPE, tmp_path / "run.pt")
    assert torch.equal(trained.convolution.weight, before)
    assert not torch.equal(trained.head.weight, Tiny().head.weight)


def test_held_out_photos_are_the_same_for_every_order_and_none_is_trained_on(photos):
    used, held = split(photos, 3)
    assert len(held) == 3
    assert set(used) | set(held) == set(photos)
    assert not set(used) & set(held)
    assert split(photos[::-1], 3) == (used, held)


def test_progress_tells_the_time_left(photos, tmp_path):
    seen = []
    train(Tiny(), photos, (32, 32), replace(RECIPE, steps=3), tmp_path / "run.pt", seen.append)
    assert [(progress.done, progress.total) for progress in seen] == [(1, 3), (2, 3), (3, 3)]
    assert seen[-1].seconds_left == 0
    assert seen[0].message.startswith("loss ")
