//! How a training by gradients went: what was found of what had been hidden, epoch after epoch.

/// The validations of one training, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LearningCurve {
    /// One for each validation.
    pub points: Vec<CurvePoint>,
    /// The epoch whose state was best and is kept; 0 where none was better than the start.
    pub best: u64,
}

/// One validation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The epochs that were over, from 1.
    pub epoch: u64,
    /// The mean loss of the last of them.
    pub loss: f64,
    /// The recall@20 of the pairs that are hidden from it.
    pub recall: f64,
}

impl LearningCurve {
    /// Some `most` of the points, evenly spread, with the best and the last among them.
    pub fn told(&self, most: usize) -> impl Iterator<Item = &CurvePoint> {
        let step = self.points.len().div_ceil(most.max(1)).max(1);
        let last = self.points.len().wrapping_sub(1);
        let told = move |at: usize, point: &CurvePoint| {
            at.is_multiple_of(step) || at == last || point.epoch == self.best
        };
        let points = self.points.iter().enumerate();
        points.filter(move |(at, point)| told(*at, point)).map(|(_, point)| point)
    }

    /// The recall@20 of what is kept; 0 where nothing is.
    pub fn reached(&self) -> f64 {
        let best = self.points.iter().find(|point| point.epoch == self.best);
        best.map_or(0.0, |point| point.recall)
    }
}
