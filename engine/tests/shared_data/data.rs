//! Reads one of the shared datasets: catalogue, embeddings, training matrix and held-out items.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use half::f16;
use tastedb_engine::evaluate::{Case, Task};
use tastedb_engine::{Dataset, EmbeddingMatrix, SideData};
use tastedb_storage::{ItemId, UserId};

/// A dataset with what was held out of it.
pub(crate) struct Split {
    pub(crate) train: Dataset,
    pub(crate) cases: Vec<Case>,
    pub(crate) side: SideData,
}

impl Split {
    /// The evaluation on all users with something held out.
    pub(crate) fn task(&self) -> Task<'_> {
        Task {
            items: &self.train.items,
            among: None,
            cases: &self.cases,
            groups: &[],
            side: Some(&self.side),
        }
    }
}

/// The folder of the data, if there is any.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("TASTEDB_DATA").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Reads a dataset with its test users; `None`, and a word on standard error, if it is not there.
pub(crate) fn dataset(name: &str) -> Option<Split> {
    dataset_with(name, "test")
}

/// The same with the users of another file.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn dataset_with(name: &str, held: &str) -> Option<Split> {
    let folder = folder().map(|folder| folder.join(name)).filter(|folder| folder.is_dir());
    let Some(folder) = folder else {
        eprintln!("skipped: there is no shared data for {name}");
        return None;
    };
    // Ids follow the lines of the catalogue, so that item order is the order of the figures' ties.
    let items: HashMap<String, u64> = first_columns(&folder, "items")
        .into_iter()
        .map(|fields| fields[0].clone())
        .zip(1..)
        .collect();
    let pairs = |split: &str| -> Vec<(u64, u64)> {
        let lines = first_columns(&folder, split).into_iter();
        lines.map(|fields| (fields[1].parse().unwrap(), items[&fields[0]])).collect()
    };
    let train = Dataset::build(
        items.values().map(|id| ItemId(*id)).collect(),
        pairs("train").into_iter().map(|(user, item)| (UserId(user), ItemId(item), 1.0, None)),
    )
    .unwrap();
    let mut held_out: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (user, item) in pairs(held) {
        held_out.entry(user).or_default().push(item as u32 - 1);
    }
    let cases = held_out
        .into_iter()
        .map(|(user, mut held_out)| {
            held_out.sort_unstable();
            let history = train.user_row(UserId(user)).map_or(Vec::new(), |row| {
                let (items, weights) = train.by_user.row(row as usize);
                items.iter().copied().zip(weights.iter().copied()).collect()
            });
            Case { history, held_out, group: None }
        })
        .collect();
    let mut side = SideData::default();
    for modality in ["text", "image", "audio"] {
        if let Ok(bytes) = std::fs::read(folder.join(format!("{modality}.npy"))) {
            let matrix = embeddings(modality, &bytes, items.len());
            side.embeddings.insert(modality.to_owned(), Arc::new(matrix));
        }
    }
    Some(Split { train, cases, side })
}

/// A `.npy` file of f16 in rows, one for each line of the catalogue.
fn embeddings(modality: &str, bytes: &[u8], n: usize) -> EmbeddingMatrix {
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let dim = (bytes.len() - header) / 2 / n;
    let mut matrix = EmbeddingMatrix::new(modality, dim);
    for (row, id) in bytes[header..].chunks_exact(2 * dim).zip(1..) {
        let vector: Vec<f32> =
            row.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
        matrix.set(ItemId(id), &vector).unwrap();
    }
    matrix
}

/// The item, and the user if there is one, of each line of a file.
fn first_columns(folder: &Path, file: &str) -> Vec<Vec<String>> {
    let plain = folder.join(format!("{file}.csv"));
    let source: Box<dyn Read> = match File::open(&plain) {
        Ok(file) => Box::new(file),
        Err(_) => {
            Box::new(GzDecoder::new(File::open(folder.join(format!("{file}.csv.gz"))).unwrap()))
        }
    };
    let mut reader = csv::Reader::from_reader(source);
    let headers = reader.headers().unwrap().clone();
    let wanted = ["item_id", "user_id"].map(|name| headers.iter().position(|own| own == name));
    let records = reader.records().map(|record| {
        let record = record.unwrap();
        wanted.iter().flatten().map(|column| record[*column].to_owned()).collect()
    });
    records.collect()
}
