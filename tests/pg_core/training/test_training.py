"""Training: a run that is killed and goes on, what it begins with, and what a teacher says to it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pg_core.networks.bodies.narrow_bands import Bands
from pg_core.networks.bodies.pointwise import Pointwise, shifted
from pg_core.networks.bodies.whole import Whole
from pg_core.networks.network import CheckpointError
from pg_core.networks.shipped import write
from pg_core.photos.read import read, to_pixels
from pg_core.training.loop import read_checkpoint, split, starting_point, train
from pg_core.training.studies.bands import BandRecipe
from pg_core.training.studies.pointwise import MapRecipe
from pg_core.training.studies.tiles import TileRecipe
from pg_core.training.studies.whole import WholeRecipe
from pg_core.training.teacher import taught, taught_tiles
from tests.pg_core.training.test_objectives import softmax

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


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 4), (3, 1)])
def test_copies_side_by_side_are_those_of_a_convolution_with_its_gradient(size, stride):
    values = torch.rand(2, 7, 6, 3, dtype=torch.float64, requires_grad=True)
    sides = values.unfold(1, size[0], stride).unfold(2, size[1], stride)
    assert torch.equal(shifted(values, size, stride), sides.permute(0, 1, 2, 4, 5, 3).flatten(3))
    assert torch.autograd.gradcheck(lambda some: shifted(some, size, stride), values)


def test_a_teacher_says_what_it_thinks_of_a_photo_and_its_mirror_image(photos):
    teacher = Whole().untrained(10).eval()
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
    used = fine.untrained(10)
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
    state = network.untrained(10).state_dict()
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
