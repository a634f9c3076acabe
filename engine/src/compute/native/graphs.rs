//! Propagation over graphs, by the trainer.

use super::Native;
use crate::compute::Graphs;
use crate::trainer::{Batch, Directed, Graph, Hypergraph, Interaction, Smoothing, Table};
use crate::{Csr, Result};

impl Graphs for Native {
    type Graph = Graph;
    type Smoothing = Smoothing;
    type Interaction = Interaction;
    type Links = Directed;
    type Hypergraph = Hypergraph;

    fn graph(self, graph: Graph) -> Result<Graph> {
        Ok(graph)
    }

    fn smoothing(self, graph: Graph, layers: usize, dim: usize) -> Result<Smoothing> {
        Ok(Smoothing::new(graph, layers, dim))
    }

    fn smooth_over(self, smoothing: &mut Smoothing, graph: Graph) -> Graph {
        smoothing.over(graph)
    }

    fn smooth(self, smoothing: &mut Smoothing, base: &Table, batch: &mut Batch) -> Result<()> {
        smoothing.forward(base, batch);
        Ok(())
    }

    fn smooth_back<'a>(self, smoothing: &'a mut Smoothing, batch: &Batch) -> Result<&'a mut Table> {
        Ok(smoothing.backward(batch))
    }

    fn smooth_items(self, smoothing: &mut Smoothing, base: &Table) -> Result<(Table, Table)> {
        Ok(smoothing.items(base))
    }

    fn interaction(self, nodes: usize, dim: usize, rate: f32, seed: u64) -> Result<Interaction> {
        Ok(Interaction::drawn(nodes, dim, rate, seed))
    }

    fn interact(
        self,
        layer: &mut Interaction,
        graph: &Graph,
        from: &Table,
        (dropout, seed): (f32, u64),
        to: &mut Table,
    ) -> Result<()> {
        layer.forward(graph, from, dropout, seed, to);
        Ok(())
    }

    fn interact_back(
        self,
        layer: &mut Interaction,
        graph: &Graph,
        from: &Table,
        gradient: &mut Table,
        out: &mut Table,
    ) -> Result<()> {
        layer.backward(graph, from, gradient, out);
        layer.step();
        Ok(())
    }

    fn weights_of_interaction(self, layer: &mut Interaction) -> [&mut Table; 2] {
        layer.weights()
    }

    fn links(self, users: usize, rows: Csr) -> Result<Directed> {
        Ok(Directed::new(users, rows))
    }

    fn near(
        self,
        links: &mut Directed,
        base: &Table,
        nodes: &Vec<u32>,
        out: &mut Table,
    ) -> Result<()> {
        links.forward(base, nodes, out);
        Ok(())
    }

    fn near_back(
        self,
        links: &mut Directed,
        batch: &Batch,
        slopes: &Table,
        gradient: &mut Table,
    ) -> Result<()> {
        links.backward(batch, slopes, gradient);
        Ok(())
    }

    fn near_all(self, links: &Directed, base: &Table) -> Result<Table> {
        Ok(links.all(base))
    }

    fn hypergraph(self, graph: Hypergraph) -> Result<Hypergraph> {
        Ok(graph)
    }

    fn meet(self, graph: &Hypergraph, rows: &Table) -> Result<Table> {
        Ok(graph.forward(rows))
    }

    fn meet_back(self, graph: &Hypergraph, gradient: &Table) -> Result<Table> {
        Ok(graph.backward(gradient))
    }
}
