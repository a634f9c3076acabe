//! libtorch, through tch: the only place that knows it.
//!
//! Every call of it can fail, where a device runs out of memory for one, and becomes an error; none
//! panics. Rows have the padding of a [`Table`], so they go there and come back as they are. No tensor
//! here wants a gradient of autograd, which is for tests alone.

mod adam;
mod batch;
mod links;
mod look_up;
mod map;
mod smoothing;
mod sparse;

use std::borrow::Cow;
use std::fmt;

use tch::{Cuda, Device, Kind, TchError, Tensor};

use self::adam::Adam;
use self::batch::Batch;
use self::links::Links;
use self::look_up::LookUp;
use self::map::Map;
use self::smoothing::{Graph, Smoothing};
use self::sparse::Sparse;
use super::{Compute, Place};
use crate::trainer::{self, Features, Table, Triple};
use crate::{Csr, Error, Result};

/// A device of libtorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Torch(Device);

/// The first CUDA device.
pub(super) fn gpu() -> Result<Place> {
    if Cuda::is_available() {
        return Ok(Place::Torch(Torch(Device::Cuda(0))));
    }
    let why = "libtorch finds no CUDA device; device = 'cpu' needs none";
    Err(Error::NoDevice { device: "gpu", why })
}

/// The processor, with one thread: those of libtorch wait for each other after every operation, which
/// takes a hundred times as long where others want the cores. Sums are the same each time, too.
pub(super) fn cpu() -> Result<Place> {
    tch::set_num_threads(1);
    Ok(Place::Torch(Torch::on_cpu()))
}

/// Rows of numbers on a device.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(super) values: Tensor,
    dim: usize,
}

impl Torch {
    pub(crate) fn on_cpu() -> Torch {
        Torch(Device::Cpu)
    }

    /// What came of a call.
    fn done<T>(self, result: std::result::Result<T, TchError>) -> Result<T> {
        result.map_err(|error| {
            let told = error.to_string();
            // A C++ exception comes with its stack; the first line says what happened.
            let told = told.strip_prefix("Internal torch error: ").unwrap_or(&told);
            let what = told.lines().next().unwrap_or_default();
            let full = ["out of memory", "not enough memory", "can't allocate memory"];
            let what = match full.iter().any(|words| told.contains(words)) {
                true => format!("out of memory: {what}"),
                false => what.to_owned(),
            };
            Error::DeviceFailed { device: self.to_string(), what }
        })
    }

    /// Numbers that are sent there.
    fn send<T: tch::kind::Element>(self, numbers: &[T]) -> Result<Tensor> {
        self.done(Tensor::f_from_slice(numbers).and_then(|tensor| tensor.f_to(self.0)))
    }

    fn zeros(self, rows: i64, width: i64) -> Result<Tensor> {
        self.done(Tensor::f_zeros([rows, width], (Kind::Float, self.0)))
    }

    /// Rows of these values.
    fn rows(self, table: &Table) -> Result<Rows> {
        let shape = [table.rows() as i64, table.stride() as i64];
        let values = self.send(table.data())?;
        Ok(Rows { values: self.done(values.f_reshape(shape))?, dim: table.dim() })
    }

    /// The values of rows of `dim` numbers.
    fn receive(self, values: &Tensor, dim: usize) -> Result<Table> {
        let rows = self.done(values.size2())?.0 as usize;
        let mut table = Table::zeros(rows, dim);
        let here = self.done(values.f_to(Device::Cpu).and_then(|here| here.f_contiguous()))?;
        let count = table.data().len();
        self.done(here.f_copy_data(table.data_mut(), count))?;
        Ok(table)
    }
}

impl fmt::Display for Torch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Device::Cpu => f.write_str("the processor"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::Mps => f.write_str("mps"),
            Device::Vulkan => f.write_str("vulkan"),
        }
    }
}

impl Compute for Torch {
    type Table = Rows;
    type Batch = Batch;
    /// One number of double precision.
    type Loss = Tensor;
    type Graph = Graph;
    type Smoothing = Smoothing;
    type Adam = Adam;
    type LookUp = LookUp;
    type Map<'a> = Map<'a>;
    type Links = Links;

    fn table(self, values: Table) -> Result<Rows> {
        self.rows(&values)
    }

    fn read(self, table: &Rows) -> Result<Cow<'_, Table>> {
        self.receive(&table.values, table.dim).map(Cow::Owned)
    }

    fn batch(self, nodes: usize, dim: usize) -> Result<Batch> {
        Batch::new(self, nodes, dim)
    }

    fn take(self, batch: &mut Batch, triples: &[Triple]) -> Result<()> {
        batch.take(self, triples)
    }

    fn choose(self, batch: &mut Batch, group: usize, heat: f32, seed: u64) -> Result<()> {
        batch.choose(self, group, heat, seed)
    }

    fn weigh(self, batch: &mut Batch, weights: &[f32], first: usize) -> Result<()> {
        batch.weigh(self, weights, first)
    }

    fn compare(self, batch: &mut Batch, factor: f32, loss: &mut Tensor) -> Result<()> {
        self.done(batch.compare(factor, loss))
    }

    fn no_loss(self) -> Result<Tensor> {
        self.done(Tensor::f_zeros([0i64; 0].as_slice(), (Kind::Double, self.0)))
    }

    fn sum(self, loss: Tensor) -> Result<f64> {
        self.done(loss.f_double_value(&[]))
    }

    fn decay(self, batch: &mut Batch, regularization: f32) -> Result<()> {
        self.done(batch.decay(regularization))
    }

    fn decay_of(
        self,
        batch: &Batch,
        regularization: f32,
        values: &Rows,
        gradient: &mut Rows,
    ) -> Result<()> {
        self.done(batch.decay_of(regularization, &values.values, &mut gradient.values))
    }

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
        batch.values = self.done(smoothing.forward(&base.values, &batch.nodes))?;
        Ok(())
    }

    fn smooth_back<'a>(self, smoothing: &'a mut Smoothing, batch: &Batch) -> Result<&'a mut Rows> {
        self.done(smoothing.backward(&batch.nodes, &batch.gradient))
    }

    fn smooth_items(self, smoothing: &mut Smoothing, base: &Rows) -> Result<(Table, Table)> {
        let (smooth, sums) = self.done(smoothing.items(&base.values))?;
        Ok((self.receive(&smooth, base.dim)?, self.receive(&sums, base.dim)?))
    }

    fn adam(self, values: &Rows, rate: f32) -> Result<Adam> {
        self.done(Adam::new(&values.values, rate))
    }

    fn step(self, adam: &mut Adam, values: &mut Rows, gradient: &Rows) -> Result<()> {
        self.done(adam.all(&mut values.values, &gradient.values))
    }

    fn look_up(self, values: Table, rate: f32) -> Result<LookUp> {
        LookUp::new(self, &values, rate)
    }

    fn look(self, rows: &mut LookUp, batch: &mut Batch) -> Result<()> {
        rows.forward(self, batch)
    }

    fn step_touched(self, rows: &mut LookUp, batch: &Batch) -> Result<()> {
        self.done(rows.step(batch))
    }

    fn left(self, rows: &LookUp) -> Result<Cow<'_, Table>> {
        self.read(rows.values())
    }

    fn up_to_date(self, rows: &mut LookUp, first: usize) -> Result<Table> {
        rows.up_to_date(self, first)
    }

    fn map<'a>(
        self,
        features: &'a Features,
        users: usize,
        dim: usize,
        rate: f32,
        seed: u64,
    ) -> Result<Map<'a>> {
        Map::new(self, features, users, dim, rate, seed)
    }

    fn apply(self, map: &mut Map<'_>, batch: &Batch) -> Result<()> {
        map.apply(self, batch)
    }

    fn put(self, map: &Map<'_>, batch: &mut Batch, at: usize) -> Result<()> {
        self.done(map.put(batch, at))
    }

    fn take_out(self, map: &mut Map<'_>, batch: &mut Batch, at: usize) -> Result<()> {
        self.done(map.take_out(batch, at))
    }

    fn step_map(self, map: &mut Map<'_>) -> Result<()> {
        self.done(map.step())
    }

    fn mapped(self, map: &Map<'_>) -> Result<Table> {
        map.all(self)
    }

    fn like(self, beside: &mut Batch, batch: &Batch, map: &Map<'_>) -> Result<()> {
        self.done(beside.like(batch, map))
    }

    fn add_gradient(self, batch: &mut Batch, beside: &Batch) -> Result<()> {
        self.done(batch.add_gradient(beside))
    }

    fn links(self, users: usize, rows: Csr) -> Result<Links> {
        Links::new(self, users, &rows)
    }

    fn near(self, links: &mut Links, base: &Rows, batch: &mut Batch) -> Result<()> {
        links.forward(self, &base.values, batch)
    }

    fn near_back(self, links: &mut Links, batch: &Batch, gradient: &mut Rows) -> Result<()> {
        self.done(links.backward(batch, &mut gradient.values))
    }

    fn near_all(self, links: &Links, base: &Rows) -> Result<Table> {
        let near = self.done(links.all(&base.values))?;
        self.receive(&near, base.dim)
    }
}

#[cfg(test)]
mod tests;
