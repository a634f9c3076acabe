//! The modalities of a model, with weights, as its option says them: `text, image:0.5`.

use crate::options::Checked;
use crate::{Csr, Dataset, EmbeddingMatrix, Error, OptionKind, OptionSpec, Result, SideData};

/// Reads `name[:weight], …`.
pub(super) fn parse(algorithm: &str, text: &str) -> Result<Vec<(String, f32)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, weight) = part.split_once(':').unwrap_or((part, "1"));
            let weight = weight.trim().parse().ok().filter(|weight: &f32| weight.is_finite());
            match weight {
                Some(weight) => Ok((name.trim().to_owned(), weight)),
                None => Err(Error::InvalidOption {
                    algorithm: algorithm.to_owned(),
                    option: "modalities".to_owned(),
                    why: format!("has no weight after the colon in '{part}'"),
                    known: vec!["name".to_owned(), "name:weight".to_owned()],
                }),
            }
        })
        .collect()
}

pub(super) const MODALITIES: OptionSpec = OptionSpec {
    name: "modalities",
    kind: OptionKind::Text { default: "" },
    help: "which, as 'text, image:0.5' with weights; empty: all alike",
};

/// The modalities that a training is to look at, those that any of the items have, with weights that
/// add up to one. `without` tells what else would do where there are none.
pub(super) fn trained_on<'a>(
    algorithm: &'static str,
    checked: &Checked,
    data: &Dataset,
    side: &'a SideData,
    without: &'static str,
) -> Result<Vec<(&'a EmbeddingMatrix, f32)>> {
    let mut wanted = parse(algorithm, checked.text("modalities"))?;
    if wanted.is_empty() {
        wanted = side.embeddings.keys().map(|name| (name.clone(), 1.0)).collect();
    }
    let mut found = Vec::with_capacity(wanted.len());
    for (name, weight) in &wanted {
        let matrix = side.modality(name)?.as_ref();
        if *weight <= 0.0 {
            return Err(Error::InvalidOption {
                algorithm: algorithm.to_owned(),
                option: "modalities".to_owned(),
                why: format!("gives '{name}' no weight above 0"),
                known: vec!["name".to_owned(), "name:weight".to_owned()],
            });
        }
        if matrix.ids().iter().any(|item| data.item_row(*item).is_some()) {
            found.push((matrix, *weight));
        }
    }
    if found.is_empty() {
        return Err(Error::EmptyTraining { algorithm, why: without });
    }
    let sum: f32 = found.iter().map(|(_, weight)| weight).sum();
    found.iter_mut().for_each(|(_, weight)| *weight /= sum);
    Ok(found)
}

pub(super) const NEIGHBOURS: OptionSpec = OptionSpec {
    name: "neighbours",
    kind: OptionKind::Int { default: 10, min: 1, max: 1000 },
    help: "the items of the graph of a modality that an item is linked to, itself included",
};

/// A graph of all items from the links of some rows, each row's in any order.
pub(super) fn graph(n_items: usize, mut links: Vec<(u32, u32, f32)>) -> Csr {
    links.sort_by_key(|(row, column, _)| (*row, *column));
    links.dedup_by(|next, kept| {
        let same = (next.0, next.1) == (kept.0, kept.1);
        if same {
            kept.2 += next.2;
        }
        same
    });
    Csr::from_entries(n_items, n_items, &links).expect("links are sorted and unique")
}
