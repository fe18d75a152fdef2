"""Findings in the text's own yardsticks: its chance level, and its balanced classes."""

from collections.abc import Iterator, Mapping

from nullcrop.config.views import study_crops
from nullcrop.published.findings import Finding
from nullcrop.published.official import Official
from nullcrop.published.printed import Published, metric_tables, printed_datasets, printed_share
from nullcrop.published.rounding import percent


def no_information_rates(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Chance levels of the text beside the share of the larger class."""
    stated = published["counts_in_text.csv"]
    chances = stated[stated["statistic"] == "chance"].to_dict("records")
    named = list(dict.fromkeys(published["datasets_as_printed.csv"]["dataset"]))
    for chance in chances:
        printed = printed_share("counts_in_text.csv", str(chance["value"]))
        for dataset in named if chance["dataset"] == "any" else [str(chance["dataset"])]:
            official = known.get(dataset)
            shares = {rule: official.largest_share(rule) for rule in official.rules} if official else {}
            if official is None or not any(shares.values()):
                continue
            where = "the official test part" if official.images("test") else "all images"
            rates: dict[str, list[str]] = {}
            for rule, share in shares.items():
                if share and 2 * share[0] != share[1] * 2 * printed.value:
                    words = f"{share[0]:,} / {share[1]:,} = {percent(share[0], share[1])}"
                    rates.setdefault(words, []).append(rule)
            if not rates:
                continue
            crops = [
                accuracy
                for _, name, rows in metric_tables(published)
                for accuracy in rows.loc[rows["region"].isin(study_crops()), "accuracy"]
                if name == dataset
            ]
            evidence = f"The larger class of {where}: " + "; ".join(
                f"{words} under {' and '.join(f'`{rule}`' for rule in rules)}"
                for words, rules in rates.items()
            )
            if crops:
                values = sorted(crops, key=lambda number: number.value)
                evidence += f". Crops are printed between {values[0].percent} and {values[-1].percent}"
            yield Finding(
                dataset,
                str(chance["where"]),
                "no-information rate",
                f"{printed.percent} as chance",
                ", ".join(words.split(" = ")[1] for words in rates),
                evidence + ".",
                f"counts_in_text.csv, {official.file}",
            )


def balanced_classes(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Balanced counts of the text that are a count of something else."""
    printed_present = {row[0]: min(row[3:]) for row in printed_datasets(published)}
    stated = published["counts_in_text.csv"]
    for row in stated[stated["statistic"] == "images of each class after balancing"].to_dict("records"):
        dataset, count = str(row["dataset"]), int(row["value"])
        found = {name: official.named_counts().get(count) for name, official in known.items()}
        phrases = {name: phrase for name, phrase in found.items() if phrase}
        smaller = printed_present.get(dataset)
        rule = known[dataset].definition.default_rule if dataset in known else ""
        if not phrases or (list(phrases) == [dataset] and f"under `{rule}` " in phrases[dataset]):
            continue
        evidence = "; ".join(f"{count:,} is {phrase}" for phrase in phrases.values()) + "."
        if smaller is not None and count > smaller:
            evidence += f" The smaller class is printed with {smaller:,} images in all."
        yield Finding(
            dataset,
            str(row["where"]),
            "balanced classes",
            f"{count:,} images of each class",
            f"a count of {', '.join(phrases)}",
            evidence,
            ", ".join(["counts_in_text.csv", *(known[name].file for name in phrases)]),
        )
