//! Forgetting by one step, on preferences that were planted.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::learning::tests::{found, planted, side, small};
use super::*;
use crate::model::{Changed, Model, Refreshed, fit, load, refresh, unlearn};
use crate::{EmbeddingMatrix, History, ModelOptions, ScoreInput};

const UNDOES: [&str; 3] = ["bpr", "lightgcn", "freedom"];

fn options() -> ModelOptions {
    small().with("unlearn", OptionValue::Text(APPROXIMATE.to_owned()))
}

fn pairs(data: &Dataset) -> Vec<(UserId, ItemId)> {
    let rows = data.users.iter().zip(data.by_user.rows());
    let of = |(user, (items, _)): (&UserId, (&[u32], &[f32]))| {
        let (user, items) = (*user, items.to_vec());
        items.into_iter().map(move |item| (user, data.items[item as usize]))
    };
    rows.flat_map(of).collect()
}

fn dataset(items: &[ItemId], pairs: impl IntoIterator<Item = (UserId, ItemId)>) -> Dataset {
    let pairs = pairs.into_iter().map(|(user, item)| (user, item, 1.0, None));
    Dataset::build(items.to_vec(), pairs.collect::<Vec<_>>()).unwrap()
}

/// One pair in sixteen, and all of three people.
fn forget_set(data: &Dataset) -> BTreeSet<(UserId, ItemId)> {
    let goes = |(user, item): &(UserId, ItemId)| {
        user.0 % 80 == 3 || number(number(5, user.0), item.0).is_multiple_of(16)
    };
    pairs(data).into_iter().filter(goes).collect()
}

fn left(data: &Dataset, goes: &BTreeSet<(UserId, ItemId)>) -> Dataset {
    dataset(&data.items, pairs(data).into_iter().filter(|pair| !goes.contains(pair)))
}

fn forget(model: &dyn Model, before: &Dataset, after: &Dataset, side: &SideData) -> Refreshed {
    let changed = Changed::between(before, after);
    let news = News::new(after.items.clone(), side, Some(changed), || Ok(after.clone()));
    unlearn(model, &news, 0, &Work::quiet()).unwrap()
}

fn bytes(model: &dyn Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.save(&mut bytes).unwrap();
    bytes
}

/// The chance that a forgotten pair of somebody who stays is scored above a pair nobody ever had.
fn told(
    model: &dyn Model,
    all: &Dataset,
    left: &Dataset,
    goes: &BTreeSet<(UserId, ItemId)>,
) -> f64 {
    let (mut above, mut compared) = (0.0, 0.0);
    for (user, item) in goes {
        let Some(row) = left.user_row(*user) else { continue };
        let (items, weights) = left.by_user.row(row as usize);
        let history: Vec<(u32, f32)> = items.iter().copied().zip(weights.iter().copied()).collect();
        let (history, side) = (History::new(&history), SideData::default());
        let input = ScoreInput { history, items: &all.items, side: &side, vectors: &[] };
        let mut scores = vec![0.0; all.n_items()];
        model.score(&input, &mut scores);
        let (own, _) = all.by_user.row(all.user_row(*user).unwrap() as usize);
        let score = scores[all.item_row(*item).unwrap() as usize];
        for other in (0..all.n_items() as u32).filter(|other| own.binary_search(other).is_err()) {
            above += f64::from(u8::from(score > scores[other as usize]));
            compared += 1.0;
        }
    }
    above / compared
}

#[test]
fn what_goes_is_told_no_better_and_what_stays_is_found_as_by_a_training_without() {
    let (data, cases) = planted();
    let goes = forget_set(&data);
    let after = left(&data, &goes);
    for name in UNDOES {
        let work = Work::quiet();
        let first = fit(name, &data, &side(), &options(), 0, &work).unwrap();
        let undone = forget(first.as_ref(), &data, &after, &side());
        assert!(undone.how.starts_with("undone approximately: a step of "), "{}", undone.how);
        assert!(!undone.anew && undone.model.options() == first.options());
        let gold = fit(name, &after, &side(), &options(), 0, &work).unwrap();
        let models = [first.as_ref(), undone.model.as_ref(), gold.as_ref()];
        let [before, now, without] = models.map(|model| told(model, &data, &after, &goes));
        assert!(now < before && now < without + 0.02, "{name}: {before}, {now}, {without}");
        let [now, without] = [1, 2].map(|at| found(models[at], &data, &cases));
        assert!(now > without - 0.02, "{name} finds {now} instead of {without}");
    }
}

#[test]
fn it_is_the_same_from_the_bytes_and_can_be_done_again() {
    let (data, cases) = planted();
    let goes = forget_set(&data);
    let after = left(&data, &goes);
    for name in UNDOES {
        let first = fit(name, &data, &side(), &options(), 0, &Work::quiet()).unwrap();
        let again = load(Arc::new(bytes(first.as_ref()))).unwrap();
        let [one, other] = [&first, &again].map(|model| {
            let undone = forget(model.as_ref(), &data, &after, &side());
            (bytes(undone.model.as_ref()), undone.how)
        });
        assert!(one == other, "{name}");
        let undone = load(Arc::new(one.0)).unwrap();
        let others = pairs(&after).into_iter().filter(|(user, item)| (user.0 + item.0) % 20 == 0);
        let rest = left(&after, &others.collect());
        let twice = forget(undone.as_ref(), &after, &rest, &side());
        assert!(twice.how.starts_with("undone approximately"), "{}", twice.how);
        let found = found(twice.model.as_ref(), &data, &cases);
        assert!(found > 0.85, "{name} finds {found}");
    }
}

#[test]
fn what_is_new_is_learned_and_what_went_stays_away() {
    let (data, cases) = planted();
    let goes = forget_set(&data);
    let after = left(&data, &goes);
    // Somebody new, or another vector: either is for the epochs that a refresh takes.
    let mut more = pairs(&after);
    more.extend((0..10).map(|item| (UserId(1000), ItemId(item * 4))));
    let more = dataset(&data.items, more);
    let mut other = side();
    let mut matrix: EmbeddingMatrix = other.embeddings["text"].as_ref().clone();
    matrix.set(ItemId(5), &[1.0, 0.0, 0.0, 0.0, 0.0, 0.5]).unwrap();
    other.embeddings.insert("text".to_owned(), Arc::new(matrix));
    for name in UNDOES {
        let first = fit(name, &data, &side(), &options(), 0, &Work::quiet()).unwrap();
        let looks = name == "freedom";
        for (now, side, epochs) in [(&more, side(), true), (&after, other.clone(), looks)] {
            let undone = forget(first.as_ref(), &data, now, &side);
            assert!(undone.how.starts_with("undone approximately"), "{}", undone.how);
            assert_eq!(undone.how.ends_with(" epochs more, 0 new items"), epochs, "{}", undone.how);
            assert!(!undone.anew);
            let found = found(undone.model.as_ref(), &data, &cases);
            assert!(found > 0.85, "{name} finds {found}");
        }
        // A refresh of what has forgotten does not bring it back.
        let undone = forget(first.as_ref(), &data, &after, &side()).model;
        let own = side();
        let news = News::new(after.items.clone(), &own, None, || Ok(after.clone()));
        let refreshed = refresh(undone.as_ref(), &news, 0, &Work::quiet()).unwrap().model;
        let [before, now] = [&first, &refreshed].map(|it| told(it.as_ref(), &data, &after, &goes));
        assert!(now < before, "{name}: {before}, then {now}");
    }
}

#[test]
fn where_it_cannot_be_done_the_model_is_trained_again() {
    let (data, _) = planted();
    let goes = forget_set(&data);
    let after = left(&data, &goes);
    let without_item = |pairs: Vec<(UserId, ItemId)>| {
        let items: Vec<ItemId> = data.items.iter().copied().filter(|item| item.0 != 9).collect();
        dataset(&items, pairs.into_iter().filter(|(_, item)| item.0 != 9))
    };
    let shorter = without_item(pairs(&data));
    let half: BTreeSet<(UserId, ItemId)> =
        pairs(&data).into_iter().filter(|(user, item)| (user.0 + item.0) % 7 > 0).collect();
    let much = left(&data, &half);
    for name in UNDOES {
        let first = fit(name, &data, &side(), &options(), 0, &Work::quiet()).unwrap();
        for now in [&shorter, &much] {
            let done = forget(first.as_ref(), &data, now, &side());
            assert!(done.anew && done.how.starts_with("fitted again"), "{name}: {}", done.how);
            let anew = fit(name, now, &side(), &options(), 0, &Work::quiet()).unwrap();
            assert!(bytes(done.model.as_ref()) == bytes(anew.as_ref()), "{name}");
        }
        // Nor where nobody said that it may, or nothing was measured.
        let exact = fit(name, &data, &side(), &small(), 0, &Work::quiet()).unwrap();
        assert!(forget(exact.as_ref(), &data, &after, &side()).anew);
    }
    let single = (0..40u64).map(|user| (UserId(user), ItemId(user % 10)));
    let items: Vec<ItemId> = (0..10).map(ItemId).collect();
    let data = dataset(&items, single.clone());
    let after = dataset(&items, single.skip(1));
    let first = fit("bpr", &data, &side(), &options(), 0, &Work::quiet()).unwrap();
    assert!(forget(first.as_ref(), &data, &after, &side()).anew);
}

#[test]
fn the_direction_solves_its_system() {
    let (people, items, dim) = (30u64, 12usize, 5usize);
    let mut factors = Table::zeros(items, dim);
    factors.draw(0..items, 1.0, 3);
    let ids: Vec<ItemId> = (0..items as u64).map(ItemId).collect();
    let every = (0..people).flat_map(|user| (0..items as u64).map(move |item| (user, item)));
    let had = |(user, item): &(u64, u64)| number(*user, *item).is_multiple_of(3);
    let all: Vec<(UserId, ItemId)> =
        every.filter(had).map(|(user, item)| (UserId(user), ItemId(item))).collect();
    let all = dataset(&ids, all);
    let goes = |(user, item): &(UserId, ItemId)| (user.0 + item.0) % 5 == 0;
    let (goes, stays): (Vec<_>, Vec<_>) = pairs(&all).into_iter().partition(goes);
    let stays = dataset(&ids, stays);
    let goes_matrix = matrix(&ids, &stays.users, |user, out| {
        let own = goes.iter().filter(|(other, _)| *other == user);
        out.extend(own.map(|(_, item)| item.0 as u32));
    });
    let parted = Parted { stays, goes: goes_matrix };
    let degrees: Vec<usize> = (0..items).map(|item| all.by_item.degree(item)).collect();
    let found = direction(&factors, &parted, &degrees).unwrap();
    // x_u and C in double precision, as the module says them.
    let wide = |row: usize| factors.row(row)[..dim].iter().map(|value| f64::from(*value));
    let mut people = Vec::new();
    for (own, _) in parted.stays.by_user.rows() {
        let mut sum = vec![0f64; dim];
        for item in own {
            sum.iter_mut().zip(wide(*item as usize)).for_each(|(sum, value)| *sum += value);
        }
        let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        people.push(sum.into_iter().map(|value| value / length).collect::<Vec<f64>>());
    }
    let mut system = vec![vec![0f64; dim]; dim];
    let n = parted.stays.n_pairs() as f64;
    for (x, (own, _)) in people.iter().zip(parted.stays.by_user.rows()) {
        for (at, row) in system.iter_mut().enumerate() {
            for (to, value) in row.iter_mut().enumerate() {
                *value += dim as f64 * own.len() as f64 / n * x[at] * x[to];
            }
        }
    }
    (0..dim).for_each(|at| system[at][at] += DAMPING);
    let square: f64 = (0..items).flat_map(wide).map(|value| value * value).sum();
    let length = (square / items as f64).sqrt();
    for (item, (users, _)) in parted.goes.transpose().rows().enumerate() {
        let scale = length * (degrees[item] as f64 + 1.0).powf(-f64::from(POPULAR));
        for (at, row) in system.iter().enumerate() {
            let own = found.row(item)[..dim].iter().zip(row);
            let product: f64 = own.map(|(value, entry)| f64::from(*value) * entry).sum();
            let wanted: f64 = users.iter().map(|user| people[*user as usize][at]).sum();
            assert!((product - scale * wanted).abs() < 1e-4, "{item}: {product}, {wanted}");
        }
    }
}
