//! Models that are written once, by the trainer and by libtorch on the processor: from the same
//! factors, with the same batches, they come to the same loss and the same rows.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;

use super::tests::{found, planted, side, small};
use super::*;
use crate::compute::Torch;
use crate::model::comparisons::Comparing;
use crate::model::modalities::trained_on;
use crate::model::{Algorithm, bpr, fit, freedom, lightgcn, vbpr};
use crate::trainer::Features;
use crate::{Device, ModelOptions};

/// How far numbers may be apart.
const NEAR: f64 = 1e-4;

/// A learner after some epochs: the losses, all rows, and what would be kept.
fn after<L: Learner<State = Learned>>(
    mut learner: L,
    epochs: std::ops::RangeInclusive<usize>,
) -> (Vec<f64>, Option<Table>, Learned) {
    let losses = epochs.map(|at| learner.epoch(at, &Work::quiet()).unwrap()).collect();
    let rows = learner.rows().unwrap().map(Cow::into_owned);
    (losses, rows, learner.state().unwrap())
}

fn close(what: &str, native: &Table, torch: &Table) {
    assert_eq!((native.rows(), native.dim()), (torch.rows(), torch.dim()), "{what}");
    let pairs = native.data().iter().zip(torch.data());
    let far = pairs.map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(f64::from(far) < NEAR, "{what}: {far} apart");
    assert!(native.data().iter().any(|value| *value != 0.0), "{what} is all zeros");
}

fn agree<G: Everywhere>(
    algorithm: &Algorithm,
    options: &ModelOptions,
    epochs: std::ops::RangeInclusive<usize>,
    given: impl Fn(&Checked, Settings) -> G,
) {
    let (data, _) = planted();
    let checked = Checked::new(algorithm.name, algorithm.options, options).unwrap();
    let given = given(&checked, Settings::new(&checked, 5));
    let native = after(given.learner(Native, &data).unwrap(), epochs.clone());
    let torch = after(given.learner(Torch::on_cpu(), &data).unwrap(), epochs);
    for (native, torch) in native.0.iter().zip(&torch.0) {
        assert!((native - torch).abs() < NEAR, "{}: loss {native}, {torch}", algorithm.name);
    }
    assert_eq!(native.1.is_some(), torch.1.is_some());
    if let (Some(native), Some(torch)) = (&native.1, &torch.1) {
        close("rows", native, torch);
    }
    close("factors", &native.2.factors, &torch.2.factors);
    assert_eq!(native.2.sums.is_some(), torch.2.sums.is_some());
    if let (Some(native), Some(torch)) = (&native.2.sums, &torch.2.sums) {
        close("sums", native, torch);
    }
}

/// Options that go through every operation.
fn variants() -> Vec<ModelOptions> {
    let text = |value: &str| OptionValue::Text(value.to_owned());
    let small = || small().with("regularization", OptionValue::Real(0.01));
    vec![
        small(),
        small().with("factors", OptionValue::Int(33)).with("negatives", OptionValue::Int(3)),
        small().with("debias", text("ips")),
        small().with("denoise", text("pld")).with("debias", text("ips")),
    ]
}

#[test]
fn bpr_is_the_same_on_both() {
    for options in variants() {
        agree(&bpr::ALGORITHM, &options, 1..=1, bpr::Given::new);
    }
}

#[test]
fn lightgcn_is_the_same_on_both() {
    for options in variants() {
        for layers in [1, 2, 3] {
            let options = options.clone().with("layers", OptionValue::Int(layers));
            agree(&lightgcn::ALGORITHM, &options, 1..=1, lightgcn::Given::new);
        }
    }
}

/// Vectors of the items, one of which has none.
fn features() -> Vec<Features> {
    let (data, side) = (planted().0, side());
    vec![Features::new(&[side.modality("text").unwrap().as_ref()], &data.items)]
}

#[test]
fn vbpr_is_the_same_on_both() {
    for options in variants() {
        agree(&vbpr::ALGORITHM, &options, 1..=1, |checked, settings| {
            vbpr::Given::new(checked, settings, features().remove(0))
        });
    }
}

#[test]
fn freedom_is_the_same_on_both() {
    let (data, side) = (planted().0, side());
    for options in variants() {
        for (keep, weight) in [(0.4, 0.5), (1.0, 0.0), (1.0, 0.1)] {
            agree(&freedom::ALGORITHM, &options, 1..=1, |checked, settings| {
                let chosen = trained_on("freedom", checked, &data, &side, "").unwrap();
                let work = Work::quiet();
                freedom::Frozen {
                    settings,
                    how: Comparing::new(checked),
                    layers: 2,
                    keep,
                    weight,
                    alike: freedom::alike(&chosen, &side, &data, 5, &work).unwrap(),
                    features: features(),
                }
            });
        }
    }
}

#[test]
fn what_looks_clicked_by_accident_is_passed_over_on_both() {
    // Resampling begins with the fifth epoch.
    let options = small().with("denoise", OptionValue::Text("pld".to_owned()));
    agree(&bpr::ALGORITHM, &options, 5..=5, bpr::Given::new);
    agree(&lightgcn::ALGORITHM, &options, 5..=5, lightgcn::Given::new);
}

#[test]
fn a_model_of_libtorch_finds_as_much_says_so_and_goes_on() {
    let (data, cases) = planted();
    let work = Work { device: Device::Torch, ..Work::quiet() };
    for name in ["bpr", "freedom", "lightgcn", "vbpr"] {
        let options = small().with("epochs", OptionValue::Int(6));
        let native = fit(name, &data, &side(), &options, 3, &Work::quiet()).unwrap();
        let torch = fit(name, &data, &side(), &options, 3, &work).unwrap();
        assert!(torch.notes().iter().any(|note| note.contains("libtorch on the processor")));
        assert!(!native.notes().iter().any(|note| note.contains("libtorch")));
        let recalls = [native.as_ref(), torch.as_ref()].map(|it| found(it, &data, &cases));
        assert!((recalls[0] - recalls[1]).abs() < 0.05, "{name}: {recalls:?}");
        let first = [&native, &torch].map(|model| model.curve().points[0]);
        assert!((first[0].loss - first[1].loss).abs() < 1e-3, "{name}: {first:?}");
        // Its file is that of the processor.
        let mut file = Vec::new();
        torch.save(&mut file).unwrap();
        assert!(!file.is_empty());
    }
}
