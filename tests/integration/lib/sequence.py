# SPDX-License-Identifier: Apache-2.0
"""Which cycle a sample is of, by its id instead of its time: ids are version-1 UUIDs, a meter of a cycle has a run of
consecutive ones, and they rise for as long as the process lives, whatever the clocks do."""
import collections
import uuid


def number(sample):
    return uuid.UUID(sample["id"]).time


def runs(samples):
    """Lists of samples whose ids follow each other: a meter of a cycle each."""
    out, last = [], None
    for s in samples:
        if last is None or number(s) != last + 1:
            out.append([])
        last = number(s)
        out[-1].append(s)
    return out


def series(samples):
    """{(meter, resource): samples}, in the order published."""
    out = collections.defaultdict(list)
    for s in samples:
        out[s["name"], s["resource_id"]].append(s)
    return out


def doubled(samples):
    """Complaints of ids that come again, of a series that has two samples in a cycle's run, and of one that goes back."""
    ids = collections.Counter(s["id"] for s in samples)
    bad = [f"id {i} comes {n} times" for i, n in ids.items() if n > 1]
    for run in runs(samples):
        keys = collections.Counter((s["name"], s["resource_id"]) for s in run)
        bad += [f"ids {run[0]['id']} …: {k} {n} times in a cycle" for k, n in keys.items() if n > 1]
    for key, of in series(samples).items():
        bad += [f"{key}: {b['id']} after {a['id']}" for a, b in zip(of, of[1:]) if number(b) <= number(a)]
    return bad


def too_many(samples, cycles):
    """Complaints of series that have more samples than there were cycles."""
    return [f"{k}: {len(of)} samples of {cycles} cycles" for k, of in series(samples).items() if len(of) > cycles]
