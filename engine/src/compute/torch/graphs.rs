//! Propagation over graphs on a device.

use super::hypergraph::Hypergraph;
use super::interaction::Interaction;
use super::links::Links;
use super::smoothing::{Graph, Smoothing};
use super::{Batch, Places, Rows, Torch};
use crate::compute::Graphs;
use crate::trainer::{self, Table};
use crate::{Csr, Result};

impl Graphs for Torch {
    type Graph = Graph;
    type Smoothing = Smoothing;
    type Interaction = Interaction;
    type Links = Links;
    type Hypergraph = Hypergraph;

    fn graph(self, graph: trainer::Graph) -> Result<Graph> {
        Graph::new(self, &graph)
    }

    fn smoothing(self, graph: Graph, layers: usize, dim: usize) -> Result<Smoothing> {
        Smoothing::new(self, graph, layers, dim)
    }

    fn smooth_over(self, smoothing: &mut Smoothing, graph: Graph) -> Graph {
        smoothing.over(graph)
    }

    fn smooth(self, smoothing: &mut Smoothing, base: &Rows, batch: &mut Batch) -> Result<()> {
        let rows = smoothing.forward(&base.tensor, &batch.nodes.there);
        batch.values.tensor = self.done(rows)?;
        Ok(())
    }

    fn smooth_back<'a>(self, smoothing: &'a mut Smoothing, batch: &Batch) -> Result<&'a mut Rows> {
        self.done(smoothing.backward(&batch.nodes.there, &batch.gradient.tensor))
    }

    fn smooth_items(self, smoothing: &mut Smoothing, base: &Rows) -> Result<(Table, Table)> {
        let (smooth, sums) = self.done(smoothing.items(&base.tensor))?;
        Ok((self.receive(&smooth, base.dim)?, self.receive(&sums, base.dim)?))
    }

    fn interaction(self, _: usize, dim: usize, rate: f32, seed: u64) -> Result<Interaction> {
        Interaction::new(self, dim, rate, seed)
    }

    fn interact(
        self,
        layer: &mut Interaction,
        graph: &Graph,
        from: &Rows,
        (dropout, seed): (f32, u64),
        to: &mut Rows,
    ) -> Result<()> {
        to.tensor = layer.forward(self, &graph.matrix, &from.tensor, dropout, seed)?;
        Ok(())
    }

    fn interact_back(
        self,
        layer: &mut Interaction,
        graph: &Graph,
        from: &Rows,
        gradient: &mut Rows,
        out: &mut Rows,
    ) -> Result<()> {
        let back = layer.backward(&graph.matrix, &from.tensor, &mut gradient.tensor);
        self.done(back.and_then(|back| out.tensor.f_add_(&back))).map(drop)
    }

    fn weights_of_interaction(self, layer: &mut Interaction) -> [&mut Rows; 2] {
        layer.weights()
    }

    fn links(self, users: usize, rows: Csr) -> Result<Links> {
        Links::new(self, users, &rows)
    }

    fn near(self, links: &mut Links, base: &Rows, nodes: &Places, out: &mut Rows) -> Result<()> {
        links.forward(self, &base.tensor, nodes, out)
    }

    fn near_back(
        self,
        links: &mut Links,
        _: &Batch,
        slopes: &Rows,
        gradient: &mut Rows,
    ) -> Result<()> {
        self.done(links.backward(&slopes.tensor, &mut gradient.tensor))
    }

    fn near_all(self, links: &Links, base: &Rows) -> Result<Table> {
        let near = self.done(links.all(&base.tensor))?;
        self.receive(&near, base.dim)
    }

    fn hypergraph(self, graph: trainer::Hypergraph) -> Result<Hypergraph> {
        Hypergraph::new(self, &graph)
    }

    fn meet(self, graph: &Hypergraph, rows: &Rows) -> Result<Rows> {
        Ok(rows.like(self.done(graph.forward(&rows.tensor))?))
    }

    fn meet_back(self, graph: &Hypergraph, gradient: &Rows) -> Result<Rows> {
        Ok(gradient.like(self.done(graph.backward(&gradient.tensor))?))
    }
}
