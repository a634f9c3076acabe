//! The processor, by the trainer of this crate.
//!
//! Each operation is one of [`crate::trainer`], where it is explained and tested.

use std::borrow::Cow;

use super::Compute;
use crate::trainer::{
    Adam, Batch, Directed, Features, Graph, LookUp, Projector, Smoothing, Table, Triple, pairwise,
};
use crate::{Csr, Result};

/// The processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Native;

impl Compute for Native {
    type Table = Table;
    type Batch = Batch;
    type Loss = f64;
    type Graph = Graph;
    type Smoothing = Smoothing;
    type Adam = Adam;
    type LookUp = LookUp;
    type Map<'a> = Projector<'a>;
    type Links = Directed;

    fn table(self, values: Table) -> Result<Table> {
        Ok(values)
    }

    fn read(self, table: &Table) -> Result<Cow<'_, Table>> {
        Ok(Cow::Borrowed(table))
    }

    fn batch(self, nodes: usize, dim: usize) -> Result<Batch> {
        Ok(Batch::new(nodes, dim))
    }

    fn take(self, batch: &mut Batch, triples: &[Triple]) -> Result<()> {
        batch.take(triples);
        Ok(())
    }

    fn choose(self, batch: &mut Batch, group: usize, heat: f32, seed: u64) -> Result<()> {
        batch.choose(group, heat, seed);
        Ok(())
    }

    fn weigh(self, batch: &mut Batch, weights: &[f32], first: usize) -> Result<()> {
        for (weight, [_, item, _]) in batch.weights.iter_mut().zip(&batch.triples) {
            *weight = weights[batch.nodes[*item as usize] as usize - first];
        }
        Ok(())
    }

    fn compare(self, batch: &mut Batch, factor: f32, loss: &mut f64) -> Result<()> {
        *loss += pairwise(batch, factor);
        Ok(())
    }

    fn no_loss(self) -> Result<f64> {
        Ok(0.0)
    }

    fn sum(self, loss: f64) -> Result<f64> {
        Ok(loss)
    }

    fn decay(self, batch: &mut Batch, regularization: f32) -> Result<()> {
        batch.decay(regularization / batch.triples.len() as f32);
        Ok(())
    }

    fn decay_of(
        self,
        batch: &Batch,
        regularization: f32,
        values: &Table,
        gradient: &mut Table,
    ) -> Result<()> {
        batch.decay_of(regularization / batch.triples.len() as f32, values, gradient);
        Ok(())
    }

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

    fn adam(self, values: &Table, rate: f32) -> Result<Adam> {
        Ok(Adam::new(values, rate))
    }

    fn step(self, adam: &mut Adam, values: &mut Table, gradient: &Table) -> Result<()> {
        adam.all(values, gradient);
        Ok(())
    }

    fn look_up(self, values: Table, rate: f32) -> Result<LookUp> {
        Ok(LookUp::new(values, rate))
    }

    fn look(self, rows: &mut LookUp, batch: &mut Batch) -> Result<()> {
        rows.forward(batch);
        Ok(())
    }

    fn step_touched(self, rows: &mut LookUp, batch: &Batch) -> Result<()> {
        rows.step(batch);
        Ok(())
    }

    fn left(self, rows: &LookUp) -> Result<Cow<'_, Table>> {
        Ok(Cow::Borrowed(rows.values()))
    }

    fn up_to_date(self, rows: &mut LookUp, first: usize) -> Result<Table> {
        Ok(rows.rows(first))
    }

    fn map<'a>(
        self,
        features: &'a Features,
        users: usize,
        dim: usize,
        rate: f32,
        seed: u64,
    ) -> Result<Projector<'a>> {
        Ok(Projector::new(features, users, dim, rate, seed))
    }

    fn apply(self, map: &mut Projector<'_>, batch: &Batch) -> Result<()> {
        map.forward(batch);
        Ok(())
    }

    fn put(self, map: &Projector<'_>, batch: &mut Batch, at: usize) -> Result<()> {
        map.put(batch, at);
        Ok(())
    }

    fn take_out(self, map: &mut Projector<'_>, batch: &mut Batch, at: usize) -> Result<()> {
        map.take_out(batch, at);
        Ok(())
    }

    fn step_map(self, map: &mut Projector<'_>) -> Result<()> {
        map.step();
        Ok(())
    }

    fn mapped(self, map: &Projector<'_>) -> Result<Table> {
        Ok(map.all())
    }

    fn like(self, beside: &mut Batch, batch: &Batch, map: &Projector<'_>) -> Result<()> {
        beside.like(batch, |triple| triple[1..].iter().all(|node| map.has(*node)));
        Ok(())
    }

    fn add_gradient(self, batch: &mut Batch, beside: &Batch) -> Result<()> {
        batch.add_gradient(beside);
        Ok(())
    }

    fn links(self, users: usize, rows: Csr) -> Result<Directed> {
        Ok(Directed::new(users, rows))
    }

    fn near(self, links: &mut Directed, base: &Table, batch: &mut Batch) -> Result<()> {
        links.forward(base, &batch.nodes, &mut batch.values);
        Ok(())
    }

    fn near_back(self, links: &mut Directed, batch: &Batch, gradient: &mut Table) -> Result<()> {
        links.backward(batch, &batch.gradient, gradient);
        Ok(())
    }

    fn near_all(self, links: &Directed, base: &Table) -> Result<Table> {
        Ok(links.all(base))
    }
}
