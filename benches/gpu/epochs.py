"""An epoch of `bpr` and `lightgcn` as a training loop in PyTorch has it, to measure TasteDB's beside.

    python epochs.py FOLDER DEVICE

FOLDER holds train.csv and test.csv (or .gz) with columns user_id and item_id, or train.npy and test.npy of
`made_up.py`; DEVICE is `cuda` or `cpu`. BATCH in the environment is how many pairs a step takes.
The models are those of MMRec (Zhou 2023) with the settings that TasteDB has by default: parameters and
Adam over all rows, the normalised graph as a sparse tensor, gradients by autograd, each pair once an epoch
with one item that its user had not, drawn for a batch at once. (MMRec draws item by item in Python, which
takes longer.) Prints seconds of an epoch, memory of the device and recall@20 after six epochs; it is not
a library and trains to no end.
"""

import csv
import gzip
import os
import resource
import statistics
import sys
import time

import numpy as np
import torch

torch.sparse.check_sparse_tensor_invariants.disable()
DIM, LAYERS, EPOCHS, SEED = 64, 2, 6, 1
BATCH = int(os.environ.get("BATCH", "2048"))
# Learning rate and regularisation of each model.
SETTINGS = {"bpr": (1e-3, 0.1), "lightgcn": (2e-3, 1e-3)}


def pairs(folder, split):
    """The pairs of a split, as they stand."""
    plain = os.path.join(folder, f"{split}.csv")
    file = open(plain, newline="") if os.path.exists(plain) else gzip.open(plain + ".gz", "rt", newline="")
    with file:
        return [(row["user_id"], row["item_id"]) for row in csv.DictReader(file)]


def read(folder):
    """Users and items by number: the training pairs, the test items of each user, and how many there are."""
    if os.path.exists(os.path.join(folder, "train.npy")):
        return read_arrays(folder)
    train, test = pairs(folder, "train"), pairs(folder, "test")
    with open(os.path.join(folder, "items.csv"), newline="") as file:
        items = {row["item_id"]: at for at, row in enumerate(csv.DictReader(file))}
    users = {}
    for user, _ in train:
        users.setdefault(user, len(users))
    train = np.array([(users[user], items[item]) for user, item in train])
    held_out = {}
    for user, item in test:
        if user in users:
            held_out.setdefault(users[user], set()).add(items[item])
    return train, held_out, len(users), len(items)


def read_arrays(folder):
    """The same of two arrays of numbers."""
    train, test = (np.load(os.path.join(folder, f"{split}.npy")).astype(np.int64) for split in ("train", "test"))
    n_users, n_items = np.concatenate([train, test]).max(0) + 1
    held_out = {}
    for user, item in test:
        held_out.setdefault(int(user), set()).add(int(item))
    return train, held_out, int(n_users), int(n_items)


class Loop:
    """One model with what its loop needs."""

    def __init__(self, name, train, n_users, n_items, device):
        torch.manual_seed(SEED)
        self.random = np.random.default_rng(SEED)
        self.name, self.train, self.device = name, train, device
        self.n_users, self.n_items = n_users, n_items
        rate, self.regularization = SETTINGS[name]
        self.users = torch.nn.Parameter(torch.nn.init.xavier_uniform_(torch.empty(n_users, DIM)).to(device))
        self.items = torch.nn.Parameter(torch.nn.init.xavier_uniform_(torch.empty(n_items, DIM)).to(device))
        self.adam = torch.optim.Adam([self.users, self.items], lr=rate)
        self.had = np.sort(train[:, 0] * n_items + train[:, 1])
        self.drawn = np.unique(train[:, 1])
        self.graph = self.normalised() if name == "lightgcn" else None

    def normalised(self):
        """D^-1/2 A D^-1/2 of users and items."""
        user, item = self.train[:, 0], self.train[:, 1] + self.n_users
        rows, columns = np.concatenate([user, item]), np.concatenate([item, user])
        n = self.n_users + self.n_items
        scales = np.bincount(rows, minlength=n).clip(1) ** -0.5
        values = torch.tensor(scales[rows] * scales[columns], dtype=torch.float32)
        places = torch.tensor(np.stack([rows, columns]))
        return torch.sparse_coo_tensor(places, values, (n, n)).coalesce().to(self.device)

    def rows(self):
        """What users and items are compared by."""
        if self.graph is None:
            return self.users, self.items
        level = torch.cat([self.users, self.items])
        levels = [level]
        for _ in range(LAYERS):
            level = torch.sparse.mm(self.graph, level)
            levels.append(level)
        return torch.stack(levels, 1).mean(1).split([self.n_users, self.n_items])

    def others(self, users):
        """An item for each user that the user had not."""
        drawn = self.random.choice(self.drawn, len(users))
        for _ in range(20):
            keys = users * self.n_items + drawn
            places = np.searchsorted(self.had, keys).clip(max=len(self.had) - 1)
            again = np.flatnonzero(self.had[places] == keys)
            if len(again) == 0:
                break
            drawn[again] = self.random.choice(self.drawn, len(again))
        return drawn

    def epoch(self):
        """Goes through all pairs once; the mean loss."""
        losses = []
        for part in np.array_split(self.random.permutation(len(self.train)), -(-len(self.train) // BATCH)):
            user, item = self.train[part, 0], self.train[part, 1]
            other = self.others(user)
            user, item, other = (torch.tensor(own).to(self.device) for own in (user, item, other))
            users, items = self.rows()
            u, i, j = users[user], items[item], items[other]
            loss = -torch.nn.functional.logsigmoid((u * i).sum(1) - (u * j).sum(1)).mean()
            base = (u, i, j) if self.graph is None else (self.users[user], self.items[item], self.items[other])
            squares = sum(own.square().sum(1) for own in base).mean()
            loss = loss + self.regularization / 2 * squares
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean().item()

    @torch.no_grad()
    def recall(self, held_out, k=20):
        """The mean recall of users with test items, among all items but those of training."""
        users, items = self.rows()
        found, asked = 0.0, sorted(held_out)
        starts = np.searchsorted(self.had, np.arange(self.n_users + 1) * self.n_items)
        for at in range(0, len(asked), 1024):
            block = asked[at : at + 1024]
            scores = users[torch.tensor(block, device=self.device)] @ items.T
            for row, user in enumerate(block):
                own = self.had[starts[user] : starts[user + 1]] - user * self.n_items
                scores[row, torch.tensor(own, device=self.device)] = -torch.inf
            best = scores.topk(k, dim=1).indices.cpu().numpy()
            found += sum(len(held_out[user] & set(row)) / len(held_out[user]) for user, row in zip(block, best))
        return found / max(len(asked), 1)


def main():
    folder, device = sys.argv[1], sys.argv[2]
    if device == "cpu":
        torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    train, held_out, n_users, n_items = read(folder)
    print(f"PyTorch {torch.__version__}, {device}, {len(train)} pairs, {BATCH} a step: seconds of an epoch")
    for name in SETTINGS:
        loop = Loop(name, train, n_users, n_items, device)
        times = []
        for _ in range(EPOCHS):
            start = time.perf_counter()
            loop.epoch()
            if device != "cpu":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        if device == "cpu":
            memory = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB of the process"
        else:
            memory = f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MiB of the device"
        median = statistics.median(times[1:])
        print(f"  {name:<10} {median:.3f}, recall@20 {loop.recall(held_out):.4f}, {memory}", flush=True)


if __name__ == "__main__":
    main()
