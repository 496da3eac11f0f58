"""Two rounds of masks: prediction and certificates are the literal ones, and no adversary breaks a safe place."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.defences.base import Rule, Verdict
from pg_core.defences.patchcleanser.inference import GREY, mean_logits, two_mask_predictions
from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from tests.colours import Colours
from tests.reference import double_masking as literal


@st.composite
def mask_sets(draw, largest=9, most=3):
    size = draw(st.tuples(st.integers(3, largest), st.integers(3, largest)))
    patch = tuple(draw(st.integers(1, n)) for n in size)
    return MaskSet(size, patch, draw(st.integers(1, most)))


def tables():
    """What `made` takes. (Made in the test: the checker of types draws at random, which a strategy must not.)"""
    classes = st.integers(2, 4)
    return st.tuples(
        mask_sets(6, 2),
        st.integers(0, 2**32 - 1),
        classes.flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))),
        st.sampled_from([0.0, 1.0, 2.0, 4.0]),
    )


def made(drawn):
    """Masks, and logits of their pairs in which a class leads in most."""
    masks, seed, (classes, leader), lead = drawn
    logits = np.random.default_rng(seed).normal(0, 1, (classes, masks.count, masks.count))
    logits[leader] += lead
    return masks, (logits + logits.swapaxes(1, 2)) / 2


def predictions(logits):
    return logits.argmax(axis=0).tolist()


def sets(masks):
    return literal.masks(masks.image_size, masks.patch_size, masks.per_axis)


@given(mask_sets(12, 7))
def test_masks_are_those_of_the_paper_and_one_contains_every_placement(masks):
    expected = sets(masks)
    assert masks.count == len(expected)
    for n, pixels in enumerate(expected):
        mask = masks.at(n)
        assert {(i, j) for i in range(mask.top, mask.bottom) for j in range(mask.left, mask.right)} == pixels
    down, across = masks.covers(0), masks.covers(1)
    columns = masks.shape[1]
    for (row, column), pixels in literal.placements(masks.image_size, masks.patch_size).items():
        covering = [bool(down[row, n // columns] & across[column, n % columns]) for n in range(masks.count)]
        assert covering == [pixels <= mask for mask in expected]
        assert any(covering)


@given(tables())
def test_prediction_and_certificates_are_the_literal_ones_at_every_placement(drawn):
    masks, logits = made(drawn)
    p, M, defence = predictions(logits), sets(masks), PatchCleanser(masks)
    prediction = defence.predict(logits)
    label = literal.predict(p)
    assert prediction.label == label
    local, published = (replace(defence, rule=rule).certify(logits) for rule in (Rule.LOCAL, Rule.PUBLISHED))
    assert local.label == local.prediction == label
    assert bool(published.certified) == literal.certified(p, label)
    assert np.unique(published.margin).size == 1
    for at, pixels in literal.placements(masks.image_size, masks.patch_size).items():
        assert (local.margin[at] > 0) == literal.safe(p, label, pixels, M)


@given(tables())
def test_margins_and_rivals_are_the_least_leads_over_pairs(drawn):
    masks, logits = made(drawn)
    M, defence = sets(masks), PatchCleanser(masks)
    certificate = defence.certify(logits, 0)
    others = logits[1:]
    lead = logits[0] - others.max(axis=0)
    for at, pixels in literal.placements(masks.image_size, masks.patch_size).items():
        best = max(lead[i].min() for i in range(masks.count) if pixels <= M[i])
        assert certificate.margin[at] == best
        i, j = next(pair for pair in np.argwhere(lead == best).tolist() if pixels <= M[pair[0]])
        assert certificate.rival[at] == 1 + others[:, i, j].argmax()
    published = replace(defence, rule=Rule.PUBLISHED).certify(logits, 0)
    assert (published.margin == lead.min()).all()


@settings(max_examples=60)
@given(tables(), st.integers(0, 2**32 - 1))
def test_no_adversary_changes_the_prediction_where_the_patch_is_safe(drawn, seed):
    """Informed: it makes one disagreer stand for a rival, or a majority of masks, in all pairs that it can see; and it
    tries predictions at random."""
    masks, logits = made(drawn)
    p, M, defence = predictions(logits), sets(masks), PatchCleanser(masks)
    certificate = defence.certify(logits)
    label, random, classes = int(certificate.label), np.random.default_rng(seed), len(logits)
    safe = np.argwhere(certificate.margin > 0).tolist()
    assume(safe)
    placements = literal.placements(masks.image_size, masks.patch_size)
    for at in [tuple(safe[n]) for n in random.integers(0, len(safe), 3)]:
        pairs = literal.attackable(placements[at], M)
        tries = [[c] * len(pairs) for c in range(classes)]
        tries += [
            [c if i in pair else label for pair in pairs] for c in range(classes) for i in range(len(M))
        ]
        tries += random.integers(0, classes, (20, len(pairs))).tolist()
        attacked = [literal.attacked(p, pairs, chosen) for chosen in tries]
        assert {literal.predict(q) for q in attacked} == {label}
        one_hot = np.arange(classes)[:, None, None] == np.array(attacked)[:, None]
        assert (defence.predict(one_hot * 1.0).label == label).all()


def test_a_place_is_safe_though_not_all_pairs_agree():
    """One pair of masks far from the patch is wrong: the published certificate is lost everywhere, ours where every
    mask that hides the patch is one of the two."""
    masks = MaskSet((9, 9), (2, 2), 3)
    count = masks.count
    logits = np.zeros((2, count, count))
    logits[0] = 1
    logits[:, 0, 1] = logits[:, 1, 0] = [0, 1]
    local, published = (PatchCleanser(masks, rule).certify(logits) for rule in (Rule.LOCAL, Rule.PUBLISHED))
    assert published.verdict is local.verdict is Verdict.NOT_CERTIFIED
    assert published.not_certified.all()
    assert local.not_certified.any()
    assert not local.not_certified.all()
    assert local.not_certified[0, 0]
    assert not local.not_certified[8 - 1, 8 - 1]


def test_all_pairs_of_an_attacked_image_that_hide_the_patch_say_what_they_said():
    """The table and the defence together, with a classifier of mean colours, which a large bright patch deceives."""
    random = np.random.default_rng(0)
    pixels = random.uniform(0, 0.2, (3, 24, 24)).astype(np.float32)
    pixels[0] += 0.5
    masks = MaskSet((24, 24), (6, 6), 3)

    def colours(images):
        return 10 * np.mean(np.abs(images - GREY) * np.sign(images - GREY), axis=(2, 3))

    table = two_mask_predictions(colours, pixels, masks)
    defence = PatchCleanser(masks)
    certificate = defence.certify(table, delta=1e-5)
    assert certificate.verdict is Verdict.CERTIFIED
    for at in ((0, 0), (9, 4), (18, 18)):
        attacked = pixels.copy()
        attacked[:, at[0] : at[0] + 6, at[1] : at[1] + 6] = np.array([-4.0, 9.0, 0.0])[:, None, None]
        assert colours(attacked[None])[0].argmax() == 1
        seen = two_mask_predictions(colours, attacked, masks)
        same = [
            (seen[:, n] == table[:, n]).all()
            for n in range(masks.count)
            if masks.at(n).top <= at[0]
            and at[0] + 6 <= masks.at(n).bottom
            and masks.at(n).left <= at[1]
            and at[1] + 6 <= masks.at(n).right
        ]
        assert same
        assert all(same)
        assert defence.predict(seen).label == 0


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_table_is_every_pair_once_and_says_how_far_it_is(batch):
    masks, seen, reports = MaskSet((8, 6), (2, 3), 2), [], []
    pixels = np.random.default_rng(1).random((3, 8, 6)).astype(np.float32)

    def classify(images):
        seen.append(len(images))
        return images.reshape(len(images), 3, -1).sum(axis=2)

    table = two_mask_predictions(classify, pixels, masks, batch, reports.append)
    assert sum(seen) == masks.count * (masks.count + 1) // 2
    assert max(seen) <= batch
    assert (reports[-1].done, reports[-1].total) == (sum(seen), sum(seen))
    M = sets(masks)
    for i, j in np.ndindex(masks.count, masks.count):
        masked = pixels.copy()
        for row, column in M[i] | M[j]:
            masked[:, row, column] = 0.5
        np.testing.assert_allclose(table[:, i, j], masked.reshape(3, -1).sum(axis=1), rtol=1e-5)


def test_a_network_with_local_logits_is_a_classifier_of_their_means():
    model = Colours()
    images = np.random.default_rng(2).random((2, 3, *model.image_size)).astype(np.float32)
    logits = mean_logits(model)(images)
    for image, own in zip(images, logits, strict=True):
        np.testing.assert_allclose(own, model.local_logits(image).mean(axis=(1, 2)), rtol=1e-5)


def test_an_error_of_delta_is_doubt():
    masks = MaskSet((4, 4), (1, 1), 2)
    logits = np.zeros((2, 4, 4))
    logits[0] = 0.5
    defence = PatchCleanser(masks)
    assert defence.certify(logits, delta=0.2).verdict is Verdict.CERTIFIED
    assert defence.certify(logits, delta=0.25).verdict is Verdict.UNDECIDED


def test_what_does_not_fit_is_refused():
    masks = MaskSet((4, 4), (1, 1), 2)
    with pytest.raises(ValueError, match="expected a patch within"):
        MaskSet((4, 4), (5, 1))
    with pytest.raises(ValueError, match="expected per_axis >= 1"):
        MaskSet((4, 4), (1, 1), 0)
    with pytest.raises(ValueError, match="expected logits of 4x4 pairs"):
        PatchCleanser(masks).predict(np.zeros((2, 5, 5)))
    with pytest.raises(ValueError, match="expected a symmetric table"):
        PatchCleanser(masks).predict(np.arange(32.0).reshape(2, 4, 4))
    with pytest.raises(ValueError, match="expected finite logits"):
        PatchCleanser(masks).predict(np.full((2, 4, 4), np.nan))
    with pytest.raises(ValueError, match="expected an image of"):
        two_mask_predictions(lambda images: images, np.zeros((3, 5, 4), np.float32), masks)
    with pytest.raises(ValueError, match="expected a batch of at least 1"):
        two_mask_predictions(lambda images: images, np.zeros((3, 4, 4), np.float32), masks, 0)
