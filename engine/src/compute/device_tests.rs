//! Which device a training gets, and what it is told where it gets none.

use std::sync::{Arc, Mutex};

use tastedb_storage::{ItemId, UserId};

use super::{Device, place, settle};
use crate::model::fit;
use crate::{Dataset, Error, ModelOptions, Progress, SideData, Work};

/// Keeps what is reported.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn report(&self, stage: &str, _done: u64, _total: u64, note: &str) {
        self.0.lock().expect("a lock").push(format!("{stage}: {note}"));
    }
}

#[test]
fn devices_have_names() {
    for device in [Device::Cpu, Device::Auto, Device::Gpu, Device::Torch] {
        assert_eq!(Device::named(device.name()), Some(device));
    }
    assert_eq!(Device::named("GPU"), Some(Device::Gpu));
    assert_eq!(Device::named("tpu"), None);
}

#[test]
fn the_processor_is_there_for_every_algorithm_and_says_nothing() {
    let heard = Arc::new(Heard::default());
    let work = Work { progress: Arc::clone(&heard) as Arc<dyn Progress>, ..Work::quiet() };
    assert_eq!(settle(Device::Cpu, "ease", &work).expect("there"), Device::Cpu);
    assert!(heard.0.lock().expect("a lock").is_empty());
}

#[test]
fn auto_falls_back_and_says_why() {
    let heard = Arc::new(Heard::default());
    let work = Work { progress: Arc::clone(&heard) as Arc<dyn Progress>, ..Work::quiet() };
    assert_eq!(settle(Device::Auto, "ease", &work).expect("there"), Device::Cpu);
    let heard = heard.0.lock().expect("a lock");
    assert_eq!(heard.len(), 1);
    assert!(heard[0].starts_with("device: the processor is used: "), "{heard:?}");
}

#[test]
fn a_training_does_not_take_another_device_than_it_is_given() {
    let pairs = (0..12u64).map(|at| (UserId(at % 4), ItemId(at % 5), 1.0, None));
    let data = Dataset::build((0..5).map(ItemId).collect(), pairs).expect("data");
    let (side, options) = (SideData::default(), ModelOptions::new());
    let fitted = |device| {
        let work = Work { device, ..Work::quiet() };
        fit("ease", &data, &side, &options, 0, &work).map(drop)
    };
    assert!(matches!(
        fitted(Device::Torch),
        Err(Error::NoDevice { .. } | Error::NotOnDevice { .. })
    ));
    for device in [Device::Cpu, Device::Auto] {
        fitted(device).expect("fitted by the processor");
    }
}

#[cfg(not(feature = "torch"))]
#[test]
fn without_libtorch_there_is_only_the_processor() {
    for device in [Device::Gpu, Device::Torch] {
        let error = settle(device, "bpr", &Work::quiet()).expect_err("no libtorch");
        assert!(matches!(error, Error::NoDevice { device: told, .. } if told == device.name()));
        assert!(error.to_string().contains("make torch"), "{error}");
        assert!(place(device).is_err());
    }
}

#[cfg(feature = "torch")]
#[test]
fn libtorch_computes_what_is_written_for_it_and_names_that_for_the_rest() {
    assert_eq!(settle(Device::Torch, "BPR", &Work::quiet()).expect("there"), Device::Torch);
    assert!(place(Device::Torch).is_ok());
    let error = settle(Device::Torch, "ease", &Work::quiet()).expect_err("not written for it");
    assert!(matches!(&error, Error::NotOnDevice { algorithm, .. } if algorithm == "ease"));
    assert!(
        error
            .to_string()
            .contains("bm3, bpr, cm3, freedom, lattice, lightgcn, lirdrec, mmhcl, ngcf, vbpr"),
        "{error}"
    );
}
