//! Layers over the graph of users and items, and hypergraphs.

use super::*;
use crate::compute::Compute;
use crate::trainer::{Hypergraph, dropped_of_layer};

const DROPPED: f32 = 0.3;
const SEED: u64 = 9;

/// What comes of a layer, the gradient in what it was given, and its weights before and after two steps.
fn by_layer<C: Compute>(compute: C, data: &Dataset) -> (Table, Vec<Table>, Vec<Table>, Vec<Table>) {
    let graph = compute.graph(Graph::new(&data.by_user, &data.by_item)).unwrap();
    let mut layer = compute.interaction(14, DIM, 0.01, 3).unwrap();
    let weights = |layer: &mut C::Interaction| -> Vec<Table> {
        let of = |own: &mut C::Table| compute.read(own).unwrap().into_owned();
        compute.weights_of_interaction(layer).map(of).into()
    };
    let before = weights(&mut layer);
    let x = compute.table(base()).unwrap();
    let (mut y, mut first, mut gradients) = (compute.zeros(14, DIM).unwrap(), None, Vec::new());
    for seed in [SEED, SEED + 1] {
        compute.interact(&mut layer, &graph, &x, (DROPPED, seed), &mut y).unwrap();
        first = first.or_else(|| Some(compute.read(&y).unwrap().into_owned()));
        let mut slopes = compute.table(drawn(14, DIM, seed)).unwrap();
        let mut out = compute.zeros(14, DIM).unwrap();
        compute.interact_back(&mut layer, &graph, &x, &mut slopes, &mut out).unwrap();
        gradients.push(compute.bring(out).unwrap());
    }
    gradients.truncate(1);
    (first.unwrap(), gradients, before, weights(&mut layer))
}

#[test]
fn a_layer_has_the_gradient_of_autograd() {
    let (data, torch) = (data(), Torch::on_cpu());
    let (native, there) = (by_layer(Native, &data), by_layer(torch, &data));
    let (x, dense) = (wanted(&base()), adjacency(&data));
    let weights = |at: usize| torch.rows(&native.2[at]).unwrap().tensor;
    let near = dense.mm(&x);
    let sum = (&near + &x).mm(&weights(0).tr()) + (&near * &x).mm(&weights(1).tr());
    let width = native.0.stride();
    let kept = torch.send(&dropped_of_layer(14, width, DROPPED, SEED)).unwrap();
    let y = (sum.clamp_min(0.0) + sum.clamp_max(0.0) * 0.2) * kept.view_as(&x);
    let slopes_of_y = torch.rows(&drawn(14, DIM, SEED)).unwrap().tensor;
    (&y * slopes_of_y).sum(Kind::Float).backward();
    let values = torch.receive(&y.detach(), DIM).unwrap();
    assert!(apart(&native.0, &values) < 1e-5 && apart(&there.0, &values) < 1e-5);
    agree("a layer", &[slopes(&x, DIM)], [&native.1, &there.1]);
    for at in [0, 1] {
        assert_eq!(native.2[at], there.2[at]);
        assert!(apart(&native.3[at], &there.3[at]) < 1e-5);
        assert!(apart(&native.2[at], &native.3[at]) > 1e-3);
    }
}

fn by_hypergraph<C: Compute>(compute: C, graph: &Hypergraph, x: &Table) -> Vec<Table> {
    let (graph, x) =
        (compute.hypergraph(graph.clone()).unwrap(), compute.table(x.clone()).unwrap());
    let slopes = compute.table(drawn(6, DIM, 8)).unwrap();
    let y = compute.meet(&graph, &x).unwrap();
    let back = compute.meet_back(&graph, &slopes).unwrap();
    [y, back].map(|table| compute.bring(table).unwrap()).into()
}

#[test]
fn a_hypergraph_has_the_gradient_of_autograd() {
    let (data, torch) = (data(), Torch::on_cpu());
    let mut dense = vec![0f32; 6 * 8];
    for user in 0..6 {
        data.by_user.row(user).0.iter().for_each(|item| dense[user * 8 + *item as usize] = 1.0);
    }
    let dense = torch.send(&dense).unwrap().reshape([6, 8]);
    let meets = dense.mm(&dense.tr());
    let sums = meets.sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
    let own = meets.diagonal(0, 0, 1);
    let others = (&meets - Tensor::diag(&own, 0)) / (&sums - own.unsqueeze(1));
    let symmetric = &meets / (sums.sqrt() * sums.sqrt().tr());
    let x = drawn(6, DIM, 7);
    for (matrix, graph) in [
        (others, Hypergraph::of_others(&data.by_user)),
        (symmetric, Hypergraph::symmetric(&data.by_user)),
    ] {
        let rows = wanted(&x);
        let y = matrix.mm(&rows);
        (&y * torch.rows(&drawn(6, DIM, 8)).unwrap().tensor).sum(Kind::Float).backward();
        let expected = [torch.receive(&y.detach(), DIM).unwrap(), slopes(&rows, DIM)];
        let native = by_hypergraph(Native, &graph, &x);
        let there = by_hypergraph(torch, &graph, &x);
        agree("a hypergraph", &expected, [&native, &there]);
    }
}
