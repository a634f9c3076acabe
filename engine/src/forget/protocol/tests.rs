//! The protocol of forgetting on two groups of people: what is exact is like gold, and nothing leaks
//! from what is hidden.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::options::OptionValue;

/// Sixty people in two groups over forty items, each with ten of their group's.
fn data() -> Dataset {
    let mut all = Vec::new();
    for user in 0..60u64 {
        for step in 0..10 {
            let item = user % 2 * 20 + number(user, step) % 20;
            all.push((UserId(user), ItemId(item), 1.0, Some(step as i64)));
        }
    }
    Dataset::build((0..40).map(ItemId).collect(), all).unwrap()
}

fn run(algorithm: &str, scope: Scope, amount: Amount) -> ForgettingReport {
    let data = data();
    let test = BTreeMap::from([(UserId(3), vec![ItemId(21), ItemId(35)])]);
    let options = match algorithm {
        "ease" => ModelOptions::new().with("lambda", OptionValue::Real(2.0)),
        _ => ModelOptions::new(),
    };
    let side = SideData::default();
    let protocol = Protocol {
        algorithm,
        options: &options,
        data: &data,
        test: &test,
        side: &side,
        scope,
        amount,
        k: 5,
        seed: 7,
    };
    let report = measure_forgetting(&protocol, &Work::quiet()).unwrap();
    let again = measure_forgetting(&protocol, &Work::quiet()).unwrap();
    let plain = |report: &ForgettingReport| {
        let mut stages = report.stages.clone();
        stages.iter_mut().for_each(|stage| stage.seconds = 0.0);
        stages
    };
    assert_eq!(plain(&report), plain(&again), "the same seed, the same figures");
    report
}

#[test]
fn what_is_exact_measures_like_what_was_trained_without() {
    for algorithm in ["ease", "item_knn", "popular"] {
        for (scope, amount) in [
            (Scope::User, Amount::Share(0.05)),
            (Scope::Interactions, Amount::Share(0.05)),
            (Scope::Item, Amount::Count(2)),
        ] {
            let ForgettingReport { stages, forgotten, retained } = run(algorithm, scope, amount);
            let [before, same @ .., retrained] = &stages[..] else { panic!("stages") };
            assert_eq!(same.len(), 1 + usize::from(algorithm == "ease"), "{algorithm} {scope:?}");
            let figures = |stage: &ForgettingStage| {
                (stage.forget, stage.test, stage.validation, stage.membership)
            };
            for stage in same {
                assert_eq!(figures(stage), figures(retrained), "{algorithm} {scope:?} {stage:?}");
            }
            let unlearned = &same[same.len() - 1];
            assert!(before.forget.is_some() && before.validation.is_some());
            match scope {
                Scope::User => assert_eq!(forgotten.0, 3),
                Scope::Item => {
                    assert_eq!((forgotten.0, unlearned.forget), (2, Some(0.0)));
                    assert_eq!(unlearned.membership, None, "nothing is left to ask about");
                }
                _ => assert_eq!(forgotten.0, 0),
            }
            assert!(forgotten.1 > 0 && retained + forgotten.1 < data().n_pairs() as u64);
        }
    }
}

#[test]
fn an_inverse_gives_away_what_it_has_learned_and_not_what_it_has_not() {
    let report = run("ease", Scope::Interactions, Amount::Share(0.1));
    let told = |stage: usize| report.stages[stage].membership.unwrap();
    assert!(told(0) > told(1), "{report:?}");
    let report = run("ease", Scope::Interactions, Amount::Count(3));
    assert!(report.stages[2].how.contains("exact update"), "{report:?}");
}

#[test]
fn everything_cannot_be_forgotten() {
    let (data, options, side) = (data(), ModelOptions::new(), SideData::default());
    let protocol = Protocol {
        algorithm: "popular",
        options: &options,
        data: &data,
        test: &BTreeMap::new(),
        side: &side,
        scope: Scope::User,
        amount: Amount::Count(1_000),
        k: 5,
        seed: 0,
    };
    let measured = measure_forgetting(&protocol, &Work::quiet());
    assert!(matches!(measured, Err(Error::NothingHeldOut)));
}
