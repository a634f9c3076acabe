//! Models that are written once, by the trainer and by libtorch on the processor: from the same
//! factors, with the same batches, they come to the same loss and the same rows.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;
use std::sync::Arc;

use tastedb_storage::ItemId;

use super::tests::{found, planted, side, small};
use super::*;
use crate::compute::Torch;
use crate::model::comparisons::Comparing;
use crate::model::modalities::trained_on;
use crate::model::{
    Algorithm, bm3, bpr, cm3, fit, freedom, lattice, lightgcn, lirdrec, mmhcl, ngcf, vbpr,
};
use crate::trainer::Features;
use crate::{Device, EmbeddingMatrix, ModelOptions};

/// How far numbers may be apart.
const NEAR: f64 = 1e-4;

/// A learner after some epochs: the losses, all rows, the weights, and what would be kept.
struct After {
    losses: Vec<f64>,
    rows: Option<Table>,
    weights: Vec<Table>,
    learned: Learned,
}

fn owned(weights: Vec<Cow<'_, Table>>) -> Vec<Table> {
    weights.into_iter().map(Cow::into_owned).collect()
}

fn after<L: Learner<State = Learned>>(
    learner: &mut L,
    epochs: std::ops::RangeInclusive<usize>,
) -> After {
    After {
        losses: epochs.map(|at| learner.epoch(at, &Work::quiet()).unwrap()).collect(),
        rows: learner.rows().unwrap().map(Cow::into_owned),
        weights: owned(learner.weights().unwrap()),
        learned: learner.state().unwrap(),
    }
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
    let ((data, _), name) = (planted(), algorithm.name);
    let checked = Checked::new(name, algorithm.options, options).unwrap();
    let given = given(&checked, Settings::new(&checked, 5));
    let native = after(&mut given.learner(Native, &data).unwrap(), epochs.clone());
    let mut learner = given.learner(Torch::on_cpu(), &data).unwrap();
    let torch = after(&mut learner, epochs);
    for (native, torch) in native.losses.iter().zip(&torch.losses) {
        assert!((native - torch).abs() < NEAR, "{name}: loss {native}, {torch}");
    }
    assert_eq!(native.rows.is_some(), torch.rows.is_some());
    if let (Some(native), Some(torch)) = (&native.rows, &torch.rows) {
        close(&format!("rows of {name}"), native, torch);
    }
    assert_eq!(native.weights.len(), torch.weights.len());
    for (native, torch) in native.weights.iter().zip(&torch.weights) {
        close(&format!("weights of {name}"), native, torch);
    }
    // Those of the one are taken by the other.
    learner.restore(&native.weights).unwrap();
    assert!(owned(learner.weights().unwrap()) == native.weights, "{name}");
    let (native, torch) = (native.learned, torch.learned);
    close(&format!("factors of {name}"), &native.factors, &torch.factors);
    assert_eq!(native.sums.is_some(), torch.sums.is_some());
    if let (Some(native), Some(torch)) = (&native.sums, &torch.sums) {
        close(&format!("sums of {name}"), native, torch);
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

#[test]
fn ngcf_is_the_same_on_both() {
    for options in variants() {
        for dropout in [0.0, 0.3] {
            let options = options.clone().with("dropout", OptionValue::Real(dropout));
            agree(&ngcf::ALGORITHM, &options, 1..=1, ngcf::Given::new);
        }
    }
    let deep = small().with("layers", OptionValue::Int(3));
    agree(&ngcf::ALGORITHM, &deep, 5..=5, ngcf::Given::new);
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

/// Two modalities, of which items lack one, the other or both.
fn two() -> SideData {
    let mut side = side();
    let mut matrix = EmbeddingMatrix::new("image", 9);
    for item in (0..80u64).filter(|item| item % 11 != 7) {
        let noise = |at| (number(item + 500, at) % 1000) as f32 / 500.0 - 1.0;
        let taste = |at| f32::from(u8::from(at == item % 4));
        let vector: Vec<f32> = (0..9).map(|at| taste(at) + noise(at)).collect();
        matrix.set(ItemId(item), &vector).unwrap();
    }
    side.embeddings.insert("image".to_owned(), Arc::new(matrix));
    side
}

/// What a model is given of one modality and of two, with each of the options.
fn agree_on_content<G: Everywhere>(
    algorithm: &Algorithm,
    all: Vec<ModelOptions>,
    epochs: std::ops::RangeInclusive<usize>,
    given: impl Fn(&Checked, Settings, &SideData, &[(&EmbeddingMatrix, f32)]) -> G,
) {
    let data = planted().0;
    for options in all {
        for side in [side(), two()] {
            agree(algorithm, &options, epochs.clone(), |checked, settings| {
                let chosen = trained_on(algorithm.name, checked, &data, &side, "").unwrap();
                given(checked, settings, &side, &chosen)
            });
        }
    }
}

/// The options, with each of these values of one more.
fn each(options: Vec<ModelOptions>, name: &str, values: &[OptionValue]) -> Vec<ModelOptions> {
    let of =
        |options: ModelOptions| values.iter().map(move |it| options.clone().with(name, it.clone()));
    options.into_iter().flat_map(of).collect()
}

fn features_of(chosen: &[(&EmbeddingMatrix, f32)]) -> Vec<Features> {
    let data = planted().0;
    chosen.iter().map(|(matrix, _)| Features::new(&[*matrix], &data.items)).collect()
}

#[test]
fn mmhcl_is_the_same_on_both() {
    let options = each(variants(), "hops", &[OptionValue::Int(1), OptionValue::Int(2)]);
    agree_on_content(&mmhcl::ALGORITHM, options, 1..=1, |checked, settings, side, chosen| {
        let work = Work::quiet();
        mmhcl::Given {
            settings,
            how: Comparing::new(checked),
            layers: 2,
            hops: checked.int("hops") as usize,
            factors: [0.3, 0.4],
            temperature: 0.5,
            alike: mmhcl::alike(chosen, side, &planted().0, 5, &work).unwrap(),
        }
    });
}

#[test]
fn lattice_is_the_same_on_both() {
    let options = each(variants(), "frozen", &[0.0, 0.6, 1.0].map(OptionValue::Real));
    let given = |checked: &Checked, settings, _: &SideData, chosen: &[(&EmbeddingMatrix, f32)]| {
        let work = Work::quiet();
        lattice::Frozen::new(checked, settings, chosen, &planted().0, &work).unwrap()
    };
    agree_on_content(&lattice::ALGORITHM, options.clone(), 1..=1, given);
    // The second epoch looks for neighbours by maps that have moved. Adam takes steps as long where next to
    // nothing is left of a gradient but rounding, so they are short.
    let short = each(options, "learning_rate", &[OptionValue::Real(1e-3)]);
    agree_on_content(&lattice::ALGORITHM, short, 1..=2, given);
}

#[test]
fn lirdrec_is_the_same_on_both() {
    agree_on_content(&lirdrec::ALGORITHM, variants(), 1..=1, |checked, settings, side, chosen| {
        let (data, work) = (planted().0, Work::quiet());
        let matrices: Vec<_> = chosen.iter().map(|(matrix, _)| *matrix).collect();
        lirdrec::Given {
            settings,
            how: Comparing::new(checked),
            layers: 2,
            alike: freedom::alike(chosen, side, &data, 5, &work).unwrap(),
            features: features_of(chosen),
            all: Features::new(&matrices, &data.items),
        }
    });
}

/// Options of a model that compares with nothing else.
fn plain() -> Vec<ModelOptions> {
    let small = || small().with("regularization", OptionValue::Real(0.01));
    vec![small(), small().with("factors", OptionValue::Int(33))]
}

#[test]
fn cm3_is_the_same_on_both() {
    let options = each(plain(), "mixing", &[0.05, 0.5, 1.0].map(OptionValue::Real));
    agree_on_content(&cm3::ALGORITHM, options, 1..=1, |checked, settings, side, chosen| {
        let work = Work::quiet();
        cm3::Given {
            settings,
            layers: 2,
            spread: 0.9,
            mixing: checked.real("mixing"),
            most_alike: 0.8,
            alike: freedom::alike(chosen, side, &planted().0, 5, &work).unwrap(),
            features: features_of(chosen),
        }
    });
}

#[test]
fn bm3_is_the_same_on_both() {
    let options = each(plain(), "dropout", &[0.0, 0.5].map(OptionValue::Real));
    agree_on_content(&bm3::ALGORITHM, options, 1..=1, |checked, settings, _, chosen| {
        let weights = chosen.iter().map(|(_, weight)| *weight);
        bm3::Given {
            settings,
            layers: 2,
            dropout: checked.real("dropout") as f32,
            weight: 2.0,
            features: features_of(chosen).into_iter().zip(weights).collect(),
        }
    });
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
    for name in NAMES {
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
