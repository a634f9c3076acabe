"""A large made-up dataset, to measure epochs by.

    python made_up.py FOLDER USERS ITEMS PAIRS

Writes train.npy and test.npy: a user and an item in each row, 32-bit integers, each pair once. Every user has
two tastes of a thousand items each, and nine in ten of what they had are of these; within a taste and among
all, some items are had much more often than others. What is held out is of ten thousand users, drawn alike.
The same arguments give the same files. It is no model of anybody: degrees and sizes are what it is for.
"""

import os
import sys

import numpy as np

TASTE, HELD_OUT, BLOCK = 1000, 10_000, 1 << 20


def draw(random, users, n_items):
    """An item for each of some users."""
    n_tastes = max(n_items // TASTE, 1)
    # The tastes of a user follow from the number alone.
    which = random.integers(0, 2, len(users))
    taste = (users * 2654435761 + which * 40503 + 12345) % (1 << 32) % n_tastes
    # Of rank r with a density that falls as r to the power −1/2.
    share = random.random(len(users)) ** 2
    own = taste * TASTE + (share * TASTE).astype(np.int64)
    anywhere = (share * n_items).astype(np.int64)
    return np.where(random.random(len(users)) < 0.9, own, anywhere) % n_items


def keys(random, users, n_items):
    """Pairs of some users as one number each, each once."""
    parts = [users[at : at + BLOCK] for at in range(0, len(users), BLOCK)]
    found = [own * n_items + draw(random, own, n_items) for own in parts]
    return np.unique(np.concatenate(found))


def main():
    folder, (n_users, n_items, n_pairs) = sys.argv[1], map(int, sys.argv[2:5])
    random = np.random.default_rng(1)
    train = keys(random, np.arange(n_pairs, dtype=np.int64) % n_users, n_items)
    asked = random.choice(n_users, min(HELD_OUT, n_users), replace=False).repeat(5)
    test = np.setdiff1d(keys(random, asked, n_items), train, assume_unique=True)
    os.makedirs(folder, exist_ok=True)
    for name, own in (("train", train), ("test", test)):
        both = np.stack([own // n_items, own % n_items], axis=1).astype(np.int32)
        np.save(os.path.join(folder, f"{name}.npy"), both)
    print(f"{len(train)} pairs of {n_users} users and {n_items} items, {len(test)} held out")


if __name__ == "__main__":
    main()
