"""Runs implicit, numpy and scipy on the data that TasteDB's benches use.

    python peers.py DATA_DIR ease     amazon-baby      # closed form by LAPACK, fit seconds and quality
    python peers.py DATA_DIR bm25     amazon-baby      # implicit's item-kNN
    python peers.py DATA_DIR als      ml-1m            # implicit's ALS: quality and latency of one query
    python peers.py DATA_DIR als128   ml-1m            # the same with 128 factors
    python peers.py DATA_DIR all      amazon-baby

DATA_DIR holds one folder per dataset with train.csv(.gz), test.csv and items.csv. Prints one JSON
object per line. Set OMP_NUM_THREADS and OPENBLAS_NUM_THREADS to choose the number of threads.
The protocol is that of TasteDB's EVALUATE: all items ranked, training items masked, ties to the
earlier row.
"""

import gzip
import json
import os
import resource
import sys
import time

import numpy as np
import scipy.linalg
import scipy.sparse as sp

SETTINGS = {  # chosen on validation data
    "amazon-baby": {"bm25": (400, 1.2, 0.0), "als": (64, 300, 40), "als128": (128, 300, 40)},
    "amazon-sports": {"bm25": (400, 1.2, 0.0), "als": (64, 100, 20), "als128": (128, 200, 30)},
    "ml-1m": {"bm25": (400, 1.2, 0.4), "als": (64, 10, 5), "als128": (128, 50, 10)},
    "tiktok": {"bm25": (400, 1.2, 0.0), "als": (64, 100, 20), "als128": (128, 200, 40)},
}


def rows(folder, name):
    path = os.path.join(folder, name)
    opener = open
    if not os.path.exists(path):
        path, opener = path + ".gz", gzip.open
    with opener(path, "rt", encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            yield line.rstrip("\n").split(",")


def load(folder):
    items = {row[0]: at for at, row in enumerate(rows(folder, "items.csv"))}
    users = {}
    pairs = []
    for row in rows(folder, "train.csv"):
        pairs.append((users.setdefault(row[0], len(users)), items[row[1]]))
    u, i = np.array(pairs).T
    x = sp.csr_matrix((np.ones(len(u), np.float32), (u, i)), (len(users), len(items)))
    held = {}
    for row in rows(folder, "test.csv"):
        if row[0] in users:
            held.setdefault(users[row[0]], []).append(items[row[1]])
    return x, held


def quality(x, held, score, k=20):
    recall = ndcg = 0.0
    discount = 1 / np.log2(np.arange(2, k + 2))
    order = sorted(held)
    for start in range(0, len(order), 512):
        block = order[start : start + 512]
        s = score(block)
        for at, user in enumerate(block):
            row = s[at]
            row[x.indices[x.indptr[user] : x.indptr[user + 1]]] = -np.inf
            top = np.argpartition(-row, k)[:k]
            top = top[np.lexsort((top, -row[top]))]
            hit = np.isin(top, held[user])
            recall += hit.sum() / len(held[user])
            ndcg += (hit * discount).sum() / discount[: min(k, len(held[user]))].sum()
    return recall / len(order), ndcg / len(order)


def ease(name, x, held):
    start = time.perf_counter()
    gram = (x.T @ x).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += 300.0
    factor, info = scipy.linalg.lapack.dpotrf(gram, lower=1, overwrite_a=1)
    assert info == 0
    inverse, info = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    assert info == 0
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    seconds = time.perf_counter() - start
    b = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(b, 0)
    recall, ndcg = quality(x, held, lambda block: x[block] @ b)
    report(name, "ease (LAPACK potrf + potri, f64)", seconds, recall, ndcg)


def bm25(name, x, held):
    from implicit.nearest_neighbours import BM25Recommender

    k, k1, b = SETTINGS[name]["bm25"]
    start = time.perf_counter()
    model = BM25Recommender(K=k, K1=k1, B=b, num_threads=int(os.environ.get("OMP_NUM_THREADS", "1")))
    model.fit(x, show_progress=False)
    seconds = time.perf_counter() - start
    similarity = model.similarity.tocsr()
    recall, ndcg = quality(x, held, lambda block: (x[block] @ similarity).toarray())
    report(name, f"implicit BM25 K={k} K1={k1} B={b}", seconds, recall, ndcg)


def als128(name, x, held):
    als(name, x, held, "als128")


def als(name, x, held, settings="als"):
    from implicit.als import AlternatingLeastSquares

    factors, regularization, alpha = SETTINGS[name][settings]
    model = AlternatingLeastSquares(
        factors=factors, regularization=regularization, alpha=alpha, iterations=15, random_state=7
    )
    start, cpu = time.perf_counter(), time.process_time()
    model.fit(x, show_progress=False)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    users, items = model.user_factors, model.item_factors
    recall, ndcg = quality(x, held, lambda block: users[block] @ items.T)
    report(name, f"implicit ALS {factors}, {cpu:.2f} CPU s", seconds, recall, ndcg)
    some = np.random.default_rng(1).permutation(x.shape[0])[:2000]
    for recalculate in (False, True):
        took = []
        for user in some:
            start = time.perf_counter()
            model.recommend(int(user), x[int(user)], N=10, recalculate_user=recalculate)
            took.append((time.perf_counter() - start) * 1e6)
        print(json.dumps({
            "dataset": name, "what": "implicit recommend N=10", "fold_in": recalculate,
            "p50_us": round(float(np.percentile(took, 50)), 1),
            "p99_us": round(float(np.percentile(took, 99)), 1),
        }))


def report(name, what, seconds, recall, ndcg):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({
        "dataset": name, "what": what, "fit_s": round(seconds, 3),
        "recall@20": round(recall, 4), "ndcg@20": round(ndcg, 4), "peak_mb": peak,
    }), flush=True)


def main():
    folder, which, name = sys.argv[1:4]
    x, held = load(os.path.join(folder, name))
    for what, run in {"ease": ease, "bm25": bm25, "als": als, "als128": als128}.items():
        if which in (what, "all"):
            run(name, x, held)


if __name__ == "__main__":
    main()
