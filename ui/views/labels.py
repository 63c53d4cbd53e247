"""Labels of two label sets, brought together."""

from segloop.schemas import Label


def shared_labels(first: list[Label], second: list[Label]) -> tuple[list[Label], dict[int, int] | None]:
    """Return the labels of both sets in the first one's indices, and the second's indices in these; None if equal.

    Labels are the same where their names are; one that only the second has gets an index that is free.
    """
    by_name = {label.name: label.index for label in first}
    free = max([0, *by_name.values()]) + 1
    labels, translation = list(first), {}
    for label in second:
        if label.name not in by_name:
            by_name[label.name] = free
            labels.append(label.model_copy(update={"index": free}))
            free += 1
        translation[label.index] = by_name[label.name]
    is_same = all(index == other for index, other in translation.items())
    return labels, None if is_same else translation
