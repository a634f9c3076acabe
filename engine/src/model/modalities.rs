//! A list of modalities with weights, as an option says it: `text, image:0.5`.

use crate::{Error, Result};

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
