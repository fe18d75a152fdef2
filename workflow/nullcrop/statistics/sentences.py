"""A verdict in words that may be quoted. Each function returns whole sentences, true of the numbers given."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nullcrop.config.definitions import CLUSTER
from nullcrop.config.names import FOLDS_OF, protocol_of
from nullcrop.config.readers import BASELINES, label_of, without_pixels
from nullcrop.config.views import view_label

Said = Mapping[str, Any]
"""Columns of a verdict by name."""


def verdict_words(said: Said) -> str:
    """The verdict with its numbers: `readable, at least 0.63`."""
    least, most = f"at least {bound_words(said['at_least'])}", upper_words(said["at_most"])
    match said["evidence"]:
        case "readable":
            return f"readable, {least}"
        case "bounded":
            return f"at most {most}"
        case "readable and bounded":
            return f"readable, {least}, at most {most}"
        case "undecided":
            return f"undecided, up to {most}"
        case _:
            return "cannot be judged"


def sentence(said: Said) -> str:
    """The verdict as one may quote it."""
    tile = said["field"] == "tile"
    where = ("crops" if tile else "corners") + f" of “{said['title']}”"
    found = _finding(said, where)
    if tile and said["evidence"] != "cannot be judged":
        return f"{found} Crops of this dataset carry tissue, so this is not by itself a bias of acquisition."
    return found


def _effect_words(said: Said) -> str:
    """The AUROC of all readers together, with its interval where one is known."""
    low, high = said["effect_low"], said["effect_high"]
    interval = "" if np.isnan(low) else f" (95% interval {low:.2f} to {high:.2f})"
    return f"{said['effect']:.2f}{interval}"


def _finding(said: Said, where: str) -> str:
    effect = f"all {said['readers']} readers together" if said["readers"] > 1 else "the one reader"
    if said["members"] > 1:
        corrected = f"corrected for {said['members']} combinations of reader and view"
    else:
        corrected = "one reader on one view"
    reaches = f"{effect} reach{'es' if said['readers'] == 1 else ''} an AUROC of {_effect_words(said)}"
    at_least = f"at least {bound_words(said['at_least'])} ({_reader_words(said)}: {said['auroc']:.2f})"
    level = f"{100 * said['level']:g}% error rate, {corrected}"
    most = upper_words(said["at_most"])
    match said["evidence"]:
        case "readable":
            return f"The class can be read from the {where}: AUROC {at_least}; {level}."
        case "readable and bounded":
            return (
                f"The class can be read from the {where}, but little of it: AUROC {at_least}, and at most "
                f"{most} for each of these readers; {level}."
            )
        case "bounded":
            return (
                f"From the {where} these readers tell the class with an AUROC of at most {most} (95% bound): "
                f"{reaches}."
            )
        case "undecided":
            return (
                f"It is undecided whether the class can be read from the {where}: {reaches}, p = "
                f"{_p(said['p'])} ({corrected}), and an AUROC up to {most} is not ruled out."
            )
        case _:
            return f"The {where} cannot be judged on the {_spoken(said['split'])} split: {_why_not(said)}."


def unjudged_words(said: Mapping[Any, Any]) -> str:
    """Why a dataset cannot be judged, for a figure."""
    return "one score for all images" if _all_silent(said) else "too few independent images"


def _all_silent(said: Mapping[Any, Any]) -> bool:
    # Verdicts of an earlier version do not tell.
    return bool(said.get("silent_cells") == said["cells"])


def _why_not(said: Said) -> str:
    if _all_silent(said):
        who = "every reader gives" if said["readers"] > 1 else "the one reader gives"
        return f"{who} all images the same score, so their pixels are alike there, or nothing was learnt"
    return "there are too few independent images of a class for any result to count"


def details(said: Said, beside: pd.DataFrame, others: pd.DataFrame) -> str:
    """What else a reader should know, in short sentences.

    ``beside`` are the comparisons of the best network with the baselines of its view, ``others`` the rows of
    other baselines that tell the class.
    """
    words = []
    if said["cells"] < said["planned"]:
        words.append(f"Unfinished: {said['cells']} of {said['planned']} cells are done.")
    if "readable" in said["evidence"] and said["members"] > 1:
        who = f"All {said['readers']} readers together" if said["readers"] > 1 else "The one reader"
        words.append(f"{who} over all views: {_effect_words(said)}.")
    words += _shown_words(said)
    words += _beside_words(said, beside)
    words += _others_words(others)
    words.append(_split_words(said))
    if "bounded" in said["evidence"]:
        words.append(f"The upper bound is of these readers, trained on {said['trained']:.0f} images each.")
    if said["evidence"] in ("undecided", "bounded"):
        words.append(power_words(said))
    if not np.isnan(said["null_ratio"]):
        words.append(_ratio_words(said))
    # How sure the difference is, is not known where a target of the test images rests on one unit.
    if not np.isnan(said["leak_low"]):
        words.append(
            f"Where groups are not kept apart all readers together score {said['leak']:+.2f} against where "
            f"they are (AUROC, 95% interval {said['leak_low']:+.2f} to {said['leak_high']:+.2f})."
        )
    words += _constant_words(said)
    if said["shuffled"]:
        words.append(
            f"Trained on shuffled targets and tested on the true ones, {said['shuffled_rejecting']} of "
            f"{said['shuffled']} controls are found at {100 * said['level']:g}%, each tested alone."
        )
    return " ".join(words)


def explained_words(said: Said, beside: pd.DataFrame, others: pd.DataFrame) -> str:
    """Which readers reach as much as the networks do, in sentences, the conclusion first; ``beside`` and
    ``others`` as of :func:`details`."""
    if "readable" not in said["evidence"]:
        found = ["Nothing is shown in these crops that would have to be explained."]
    elif said["network"] and beside.empty:
        found = ["No baseline stands beside the networks, so what explains it cannot be told."]
    elif said["network"]:
        reached = [(label_of(said["network"]), beside["auroc"].iloc[0])]
        reached += zip(beside["other"].map(label_of), beside["auroc_other"], strict=True)
        numbers = ", ".join(f"{name} {auroc:.2f}" for name, auroc in reached)
        found = [_explains(said, beside), f"On the {view_label(said['network_view'])}: {numbers}."]
    else:
        who = [label_of(name) for name in _names(said["readers_shown"])]
        found = [
            f"It is read without a network, by {enumerated(who)}."
            if who
            else "No reader by itself is shown to read it, only their average."
        ]
    return " ".join(found + _others_words(others))


def _constant_words(said: Said) -> list[str]:
    words, of = [], said["cells"]
    if (n := said["silent_cells"]) and not _all_silent(said):
        words.append(
            f"{n} of {of} cells give{'s' if n == 1 else ''} all images the same score, so nothing could be "
            "found by them: the pixels are alike there, or nothing was learnt."
        )
    if n := said["constant_cells"] - said["silent_cells"]:
        words.append(
            f"{n} of {of} cells answer{'s' if n == 1 else ''} with one class for nearly every image. The "
            "threshold is off there, so the accuracy is that class's share; it says nothing against the "
            "AUROC."
        )
    return words


def _shown_words(said: Said) -> list[str]:
    if "readable" not in said["evidence"]:
        return []
    views = [view_label(view) for view in _names(said["views_shown"])]
    readers = [label_of(name) for name in _names(said["readers_shown"])] or [
        "none by itself, only their average"
    ]
    parts = []
    if said["views"] > 1:
        parts.append(f"on {len(views)} of {said['views']} views ({enumerated(views)})")
    if said["readers"] > 1:
        parts.append(f"by {enumerated(readers)}" if said["readers_shown"] else f"by {readers[0]}")
    return [f"It is shown {enumerated(parts)} (step-down)."] if parts else []


def _beside_words(said: Said, beside: pd.DataFrame) -> list[str]:
    """What baselines reach on the view of the best network, and what it adds."""
    if "readable" not in said["evidence"]:
        return []
    if not said["network"]:
        return ["No single network is shown to read it."] if said["readers"] > 1 else []
    if beside.empty:
        return []
    network = label_of(said["network"])
    parts = [
        f"{label_of(row['other'])} {row['auroc_other']:.2f} (the network adds "
        f"{row['auroc_difference']:+.2f}, {row['auroc_low']:+.2f} to {row['auroc_high']:+.2f})"
        for row in beside.to_dict("records")
    ]
    words = [
        f"On the {view_label(said['network_view'])}, where {network} reaches {beside['auroc'].iloc[0]:.2f}: "
        f"{enumerated(parts)}."
    ]
    return [*words, _explains(said, beside)]


def _explains(said: Said, beside: pd.DataFrame) -> str:
    """Whether a baseline explains the best network."""
    explained = [label_of(name) for name in _names(said["explained_by"])]
    if explained:
        return (
            f"{enumerated(explained, 'or').capitalize()} alone explains it: the network adds less than "
            f"{said['equivalence']:g}."
        )
    if len(_names(said["not_explained_by"])) == len(beside):
        return "No baseline explains it: the network exceeds each of them."
    return "Whether a baseline explains it cannot be told."


def _others_words(others: pd.DataFrame) -> list[str]:
    """What tells the class and does not judge: the clearest row of each baseline."""
    words = []
    clearest = others.sort_values("bound_low", ascending=False).drop_duplicates("architecture")
    blind = clearest["architecture"].isin(without_pixels())
    for rows, said in (
        (clearest[blind], "Without a pixel the class is told by {}."),
        (clearest[~blind], "Of features that do not count for the verdict, the class is told by {}."),
    ):
        named = [
            f"{label_of(row['architecture'])} {_seen_where(row)} ({row['auroc']:.2f}, at least "
            f"{bound_words(row['bound_low'])})"
            for row in rows.to_dict("records")
        ]
        if named:
            words.append(said.format(enumerated(named)))
    if any(BASELINES[name].sees == "file" for name in clearest["architecture"]):
        words.append("The size of a compressed file follows what it shows, a lesion too.")
    return words


def _seen_where(row: Mapping[Any, Any]) -> str:
    if row["architecture"] in without_pixels():
        return "of the whole image"
    return f"on the {view_label(row['view'])}"


def _split_words(said: Said) -> str:
    protocol, group = protocol_of(said["split"]), said["group"]
    images, units = said["images"], said["units"]
    size = f"{images} images" + (f" of {units} groups ({group})" if group and units < images else "")
    name = _spoken(said["split"]).capitalize()
    apart = f"no {group} is in both training and test" if said["group_aware"] else ""
    # An image that is in no cluster has no duplicate; one without a patient has one who is not known.
    if apart and said["ungrouped"] and group != CLUSTER:
        apart = (
            f"no known {group} is in both training and test, but of {said['ungrouped']} images none is known"
        )
    if protocol in FOLDS_OF:
        folds, parts = FOLDS_OF[protocol], said["seeds"]
        tested = f"{size} tested in {said['folds']} of {folds} folds"
        if parts > said["folds"]:
            tested += f", {parts} cells a reader"
        return f"{name} split, {tested}: {apart or _groups_mixed(group)}."
    if protocol == "leave_one_group_out":
        return (
            f"{name} split, {size}: each {group or 'group'} was tested by networks trained on others, and "
            "its images count as independent within it."
        )
    again = f", {said['seeds']} seeds" if said["seeds"] > 1 else ""
    if not apart and group and protocol == "official":
        return f"{name} split, {size} tested{again}: as released; a {group} may be in both training and test."
    return f"{name} split, {size} tested{again}: {apart or _groups_mixed(group)}."


def _groups_mixed(group: str) -> str:
    if not group:
        return "no group is known, so images of one patient may be in both training and test"
    return (
        f"images of one {group} are in both training and test, so a network may recognise it in place of its "
        "class"
    )


def power_words(said: Said) -> str:
    """What effect the verdict would have found, by the counts alone."""
    minimal = said["minimal"]
    if not minimal < 1:
        return "With so few independent images only an AUROC close to 1 would have been found."
    return f"By the counts an AUROC of {upper_words(minimal)} would have been found with a chance of 80%."


def _ratio_words(said: Said) -> str:
    ratio, allowed = said["null_ratio"], said["inflation"]
    words = (
        f"Refitted on permuted labels, the pixel baselines' ridge twins vary at most {ratio:.2f} times as "
        f"much as at fixed scores; the test allows for {allowed:.2f}."
    )
    # The largest of a dozen ratios lies some two errors above its expectation by chance.
    if ratio > allowed + 3 * said["null_ratio_error"]:
        words += " That is more than it allows for, so p is too small here."
    return words


def _reader_words(said: Said) -> str:
    return f"{label_of(said['architecture'])} on the {view_label(said['view'])}"


def _names(text: str) -> list[str]:
    return [name for name in text.split(", ") if name]


def _spoken(name: str) -> str:
    return str(name).replace("_", " ")


def enumerated(items: Sequence[str], last: str = "and") -> str:
    """One or several ``items`` as a sentence names them: `a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def bound_words(bound: float) -> str:
    """A lower bound, rounded down: 0.596 must not read as 0.60, nor 0.503 as no more than blind."""
    places = 3 if 0.5 < bound < 0.51 else 2
    return f"{np.floor(bound * 10**places + 1e-9) / 10**places:.{places}f}"


def upper_words(bound: float) -> str:
    """An upper bound, rounded up to two decimals."""
    # Without the sign of a zero.
    return f"{min(1.0, np.ceil(bound * 100 - 1e-9) / 100) + 0.0:.2f}"


def _p(p: float) -> str:
    return "1" if p > 0.995 else f"{p:.2g}"
