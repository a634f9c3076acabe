//! Forgetting over small stores: what a ticket goes through, and that models end where a database
//! that never saw the forgotten ends.

#![expect(clippy::unwrap_used, reason = "tests")]

mod shop;

use std::sync::Mutex;

use proptest::prelude::*;
use tastedb_storage::{Options, Read, Store, UserId};

use super::*;
use crate::{Error, ModelOptions, NewModel, OptionValue, Progress, TrainingTable, Work};
use shop::{ALL, EXACT, Shop};

#[test]
fn a_ticket_moves_from_masked_to_verified() {
    let shop = Shop::new();
    shop.fill();
    for name in EXACT {
        shop.create_exact(name);
        shop.train(name, &Work::quiet()).unwrap();
    }
    assert_eq!(shop.forget(shop.people, "nobody"), None);
    let ticket = shop.forget(shop.people, "u4").unwrap();
    let before = shop.engine.snapshot().generation();
    assert_eq!((ticket.id().as_str(), ticket.state(), ticket.rows), ("f_1", State::Masked, 1));
    assert_eq!((ticket.interactions, ticket.generation), (3, before));
    let receipt = shop.verify("f_1");
    assert!(!receipt.passed(), "it is masked only, and models descend from it: {receipt:?}");
    let vacuumed = shop.vacuum();
    assert_eq!(vacuumed.failed, []);
    let names: Vec<&str> = vacuumed.renewed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, EXACT);
    assert_eq!(vacuumed.tickets.len(), 1);
    assert_eq!(vacuumed.tickets[0].state(), State::Unlearned);
    assert_eq!(vacuumed.tickets[0].methods.len(), 4);
    for name in EXACT {
        assert!(shop.version(name).unwrap().learned_since >= ticket.generation);
    }
    let receipt = shop.verify("f_1");
    assert!(receipt.passed(), "{receipt:?}");
    let compared = receipt.lines.iter().filter(|line| line.detail.contains("scores of 19 people"));
    assert_eq!(compared.count(), 4, "{receipt:?}");
    let tickets = shop.engine.forgets(&shop.engine.snapshot()).unwrap();
    assert_eq!((tickets[0].state(), tickets[0].verified), (State::Verified, Some(99)));
    // Nothing is left to do.
    let versions = EXACT.map(|name| shop.version(name));
    assert_eq!(shop.vacuum(), Vacuumed::default());
    assert_eq!(EXACT.map(|name| shop.version(name)), versions);
    assert_eq!(shop.forget(shop.people, "u5").unwrap().id(), "f_2", "numbers rise");
    assert!(matches!(
        shop.engine.verify_forget("f_3", 0, &Work::quiet()),
        Err(Error::NoSuchForget { id }) if id == "f_3"
    ));
}

#[test]
fn factors_go_on_in_a_refresh_and_begin_anew_when_they_forget() {
    let shop = Shop::new();
    shop.fill();
    let options = ModelOptions::new()
        .with("factors", OptionValue::Int(4))
        .with("unobserved_weight", OptionValue::Real(0.1))
        .with("regularization", OptionValue::Real(0.01));
    shop.create("home", "ials", options);
    let first = shop.train("home", &Work::quiet()).unwrap();
    shop.write(|txn| shop.view(txn, "u0", "m9", 3));
    let refreshed = shop.refresh("home").unwrap().version;
    assert_eq!(refreshed.learned_since, first.learned_since, "it continues the first");
    let ticket = shop.forget(shop.people, "u3").unwrap();
    let refreshed = shop.refresh("home").unwrap().version;
    assert!(refreshed.learned_since < ticket.generation, "it still does");
    assert!(!shop.verify("f_1").passed());
    shop.vacuum();
    let clean = shop.version("home").unwrap();
    assert!(clean.learned_since >= ticket.generation);
    // What a training from the beginning makes, bit for bit.
    shop.create(
        "beside",
        "ials",
        ModelOptions::new()
            .with("factors", OptionValue::Int(4))
            .with("unobserved_weight", OptionValue::Real(0.1))
            .with("regularization", OptionValue::Real(0.01)),
    );
    shop.train("beside", &Work::quiet()).unwrap();
    assert_eq!(shop.scores("home"), shop.scores("beside"));
    // What continues a version that has forgotten has forgotten too.
    shop.write(|txn| shop.view(txn, "u0", "m8", 3));
    assert_eq!(shop.refresh("home").unwrap().version.learned_since, clean.learned_since);
    assert!(shop.verify("f_1").passed());
}

impl Shop {
    /// `home` counts interactions alike, `stars` by their stars.
    fn create_inverses(&self) {
        // With more movies, a few people are few enough for an update.
        self.write(|txn| {
            for at in 10..40 {
                self.movie(txn, &format!("m{at}"));
            }
        });
        let options = ModelOptions::new().with("lambda", OptionValue::Real(2.0));
        self.create("home", "ease", options.clone());
        let table = TrainingTable {
            table: "views".to_owned(),
            weight: Some("stars".to_owned()),
            filter: None,
        };
        let weighed = options.with("weighting", OptionValue::Text("weighted".to_owned()));
        self.write(|txn| {
            let new = NewModel {
                name: "stars".to_owned(),
                algorithm: Some("ease".to_owned()),
                tables: vec![table],
                options: weighed,
                ..NewModel::default()
            };
            self.engine.create_model(txn, new).unwrap();
        });
    }

    fn assert_as_trained(&self, name: &str) {
        let own = self.scores(name);
        self.train(name, &Work::quiet()).unwrap();
        for ((user, movie, a), (.., b)) in own.iter().zip(&self.scores(name)) {
            assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{user} {movie}: {a} and {b}");
        }
    }
}

#[test]
fn after_a_reopen_a_deletion_is_still_an_exact_update() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let shop = Shop::over(Store::open(&path, Options::default()).unwrap());
    shop.fill();
    shop.create_inverses();
    for name in ["home", "stars"] {
        shop.train(name, &Work::quiet()).unwrap();
    }
    // Somebody new, whom the versions have not learned from, comes and is forgotten too.
    shop.write(|txn| shop.view(txn, "u90", "m1", 3));
    shop.forget(shop.people, "u4").unwrap();
    shop.forget(shop.people, "u90").unwrap();
    let history = shop.write(|txn| {
        let user = UserId(txn.lookup(shop.people, "u5").unwrap().unwrap());
        txn.history(shop.views, user, &[]).unwrap()
    });
    shop.write(|txn| {
        let catalog = txn.catalog().clone();
        let mut forgetting = shop.engine.forgetting(catalog.table_by_id(shop.views).unwrap());
        for row in &history[..2] {
            assert!(forgetting.interaction(txn, row.user, row.id).unwrap());
        }
        forgetting.finish(txn, 1).unwrap().unwrap();
        shop.view(txn, "u6", "m9", 4);
    });
    let shop = shop.reopened(&path);
    let sets = |shop: &Shop| shop.engine.snapshot().records("forget-set/").unwrap().len();
    assert_eq!(sets(&shop), 3);
    let vacuumed = shop.vacuum();
    assert_eq!(vacuumed.failed, []);
    for (name, how) in &vacuumed.renewed {
        assert!(how.contains("3 users"), "{name}: {how}");
    }
    assert_eq!((vacuumed.renewed.len(), sets(&shop)), (2, 0));
    for ticket in 1..=3 {
        let receipt = shop.verify(&format!("f_{ticket}"));
        assert!(receipt.passed(), "{receipt:?}");
    }
    shop.assert_as_trained("home");
    shop.assert_as_trained("stars");
}

#[test]
fn what_was_deleted_otherwise_since_is_noticed_after_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let shop = Shop::over(Store::open(&path, Options::default()).unwrap());
    shop.fill();
    shop.create_inverses();
    for name in ["home", "stars"] {
        shop.train(name, &Work::quiet()).unwrap();
    }
    live(&shop, &Step::DeleteUser(7));
    shop.forget(shop.people, "u4").unwrap();
    let shop = shop.reopened(&path);
    for (name, how) in &shop.vacuum().renewed {
        assert!(how.contains("again"), "{name}: {how}");
    }
    shop.assert_as_trained("home");
    shop.assert_as_trained("stars");
}

/// Fails where two lists of scores are not of the same people and movies, or differ by more than 1e-5.
fn assert_near(own: &[(String, String, f32)], other: &[(String, String, f32)]) {
    assert_eq!(own.len(), other.len());
    for ((user, movie, a), (other_user, other_movie, b)) in own.iter().zip(other) {
        assert_eq!((user, movie), (other_user, other_movie));
        let near = (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1.0);
        assert!(near || a.is_nan() && b.is_nan(), "{a} and {b} of {movie} for {user}");
    }
}

#[test]
fn the_next_answer_is_that_of_a_model_trained_without_what_was_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let shop = Shop::over(Store::open(&path, Options::default()).unwrap());
    shop.fill();
    shop.create_exact("inverse");
    shop.train("inverse", &Work::quiet()).unwrap();
    assert!(!shop.corrects("inverse"));
    let old = shop.engine.snapshot();
    let assert_as_trained = |shop: &Shop| {
        let fresh = shop.fresh();
        fresh.create_exact("inverse");
        fresh.train("inverse", &Work::quiet()).unwrap();
        assert!(shop.corrects("inverse"));
        assert_near(&shop.answers("inverse"), &fresh.scores("inverse"));
    };
    // Somebody, a movie, one view of somebody, and another movie of which the first took a part.
    shop.forget(shop.people, "u4").unwrap();
    assert_as_trained(&shop);
    let line = &shop.verify("f_1").lines;
    let line = line.iter().find(|line| line.check == "model inverse").unwrap();
    assert!(!line.passed && line.detail.contains("answers leave it out"), "{line:?}");
    shop.forget(shop.movies, "m3").unwrap();
    assert_as_trained(&shop);
    shop.forget_first_view("u7");
    assert_as_trained(&shop);
    shop.forget(shop.movies, "m7").unwrap();
    shop.forget(shop.people, "u7").unwrap();
    assert_as_trained(&shop);
    // Older snapshots keep their answers, and so does whoever asks next.
    let serving = shop.engine.registry().serving(&old, "inverse").unwrap();
    assert!(std::sync::Arc::ptr_eq(&serving.answering(&old).unwrap(), &serving.model));
    drop((old, serving));
    let (answers, expected) = (shop.answers("inverse"), shop.fresh());
    let shop = shop.reopened(&path);
    assert_eq!(shop.answers("inverse"), answers, "bit for bit, from the beginning");
    // Who comes later was not learned from, and is forgotten without a trace.
    shop.write(|txn| shop.view(txn, "u99", "m1", 50));
    shop.write(|txn| shop.view(txn, "u6", "m4", 50));
    shop.forget(shop.people, "u99").unwrap();
    expected.create_exact("inverse");
    expected.train("inverse", &Work::quiet()).unwrap();
    shop.forget_view("u6", "m4");
    assert_near(&shop.answers("inverse"), &expected.scores("inverse"));
    // A deletion that leaves nothing behind cannot be told from the rest.
    live(&shop, &Step::Unview(8));
    assert!(!shop.corrects("inverse"));
    shop.vacuum();
    assert!(!shop.corrects("inverse"));
    let fresh = shop.fresh();
    fresh.create_exact("inverse");
    fresh.train("inverse", &Work::quiet()).unwrap();
    assert_near(&shop.answers("inverse"), &fresh.scores("inverse"));
}

#[test]
fn what_leaves_with_an_item_is_an_exact_update() {
    let shop = Shop::new();
    shop.write(|txn| {
        for user in 0..60 {
            for step in 0..4 {
                let movie = crate::seeded::number(user, step) % 40;
                shop.view(txn, &format!("u{user}"), &format!("m{movie}"), 1);
            }
        }
    });
    shop.create_exact("inverse");
    shop.train("inverse", &Work::quiet()).unwrap();
    shop.forget(shop.movies, "m3").unwrap();
    shop.forget(shop.movies, "m39").unwrap();
    shop.forget(shop.people, "u5").unwrap();
    let how = shop.vacuum().renewed.remove(0).1;
    assert!(how.contains("exact update") && how.contains("without 2 items"), "{how}");
    let fresh = shop.fresh();
    fresh.create_exact("inverse");
    fresh.train("inverse", &Work::quiet()).unwrap();
    assert_near(&shop.scores("inverse"), &fresh.scores("inverse"));
}

#[test]
fn what_a_model_gave_away_is_in_the_receipt() {
    let shop = Shop::new();
    // Two groups, and one person of both who is given away by what only they had together.
    shop.fill();
    shop.write(|txn| {
        for movie in ["m0", "m1", "m7", "m8"] {
            shop.view(txn, "both", movie, 1);
        }
    });
    shop.create_exact("inverse");
    shop.create("new", "latest", ModelOptions::new());
    shop.train("inverse", &Work::quiet()).unwrap();
    shop.train("new", &Work::quiet()).unwrap();
    shop.forget(shop.people, "both").unwrap();
    let ticket = shop.vacuum().tickets.remove(0);
    assert_eq!(ticket.behaviour.len(), 1, "`latest` has learned nothing to give away");
    let told = &ticket.behaviour[0];
    assert_eq!((told.model.as_str(), told.interactions, told.items), ("inverse", 4, 10));
    assert!(told.auc.1.unwrap() < told.auc.0, "{told:?}");
    assert!(told.rank.1.unwrap() >= told.rank.0, "{told:?}");
    let receipt = shop.verify("f_1");
    let line = receipt.lines.iter().find(|line| line.check == "behaviour inverse").unwrap();
    assert!(line.passed && line.detail.contains("4 of the interactions"), "{line:?}");
    // An item has no rank any more.
    shop.forget(shop.movies, "m3").unwrap();
    let told = shop.vacuum().tickets[0].behaviour[0].clone();
    assert_eq!((told.auc.1, told.rank.1), (None, None));
    assert!(shop.verify("f_2").passed());
}

#[test]
fn a_forgotten_item_leaves_models_and_graphs() {
    let shop = Shop::new();
    shop.fill();
    let real = [
        ("user_exponent", 0.3),
        ("history_exponent", 0.2),
        ("item_exponent", 0.1),
        ("two_hop", 0.5),
        ("content", 0.75),
        ("popularity", 0.05),
        ("ease", 0.5),
        ("ials", 0.0),
    ];
    let options = ModelOptions::new().with("neighbours", OptionValue::Int(3));
    let options = real
        .into_iter()
        .fold(options, |all, (name, value)| all.with(name, OptionValue::Real(value)));
    shop.create("home", "graph_filter", options);
    shop.train("home", &Work::quiet()).unwrap();
    let graph = shop.engine.graphs(&shop.engine.snapshot()).unwrap()[0].clone();
    let ticket = shop.forget(shop.movies, "m3").unwrap();
    assert_eq!((ticket.scope, ticket.embeddings), (Scope::Item, 1));
    let vacuumed = shop.vacuum();
    assert_eq!(vacuumed.tickets[0].state(), State::Unlearned, "{vacuumed:?}");
    let now = shop.engine.graphs(&shop.engine.snapshot()).unwrap()[0].clone();
    assert!(now.generation > graph.generation && now.items == graph.items - 1);
    let receipt = shop.verify("f_1");
    assert!(receipt.passed(), "{receipt:?}");
}

#[test]
fn a_model_that_undoes_says_so_and_is_not_said_to_have_never_learned() {
    let shop = Shop::new();
    shop.write(|txn| {
        for user in 0..80 {
            for step in 0..8 {
                let movie = (user % 2) * 20 + crate::seeded::number(user, step) % 20;
                shop.view(txn, &format!("u{user}"), &format!("m{movie}"), 1);
            }
        }
    });
    let options = ModelOptions::new()
        .with("unlearn", OptionValue::Text("approximate".to_owned()))
        .with("factors", OptionValue::Int(8))
        .with("epochs", OptionValue::Int(30));
    shop.create("home", "lightgcn", options);
    let first = shop.train("home", &Work::quiet()).unwrap();
    let ticket = shop.forget(shop.people, "u4").unwrap();
    let vacuumed = shop.vacuum();
    assert_eq!((vacuumed.failed.len(), vacuumed.tickets[0].state()), (0, State::Unlearned));
    let version = shop.version("home").unwrap();
    let how = &vacuumed.renewed[0].1;
    // Where it does not come about it is trained again, which is exact.
    if how.starts_with("undone approximately") {
        assert_eq!(version.learned_since, first.learned_since);
        assert!(version.undone_to.unwrap() >= ticket.generation);
        let receipt = shop.verify("f_1");
        let line = receipt.lines.iter().find(|line| line.check == "model home").unwrap();
        assert!(line.passed && line.detail.contains("approximately"), "{line:?}");
    } else {
        assert!(how.contains("since not undone approximately"), "{how}");
        assert!(version.learned_since >= ticket.generation);
    }
    assert_eq!(shop.vacuum().renewed, [], "it is done");
    assert!(shop.verify("f_1").passed());
    // A training is exact again.
    shop.train("home", &Work::quiet()).unwrap();
    assert_eq!(shop.version("home").unwrap().undone_to, None);
}

#[test]
fn a_model_that_has_nothing_left_is_not_trained_any_more() {
    let shop = Shop::new();
    shop.write(|txn| shop.view(txn, "u0", "m0", 1));
    shop.create_exact("inverse");
    shop.train("inverse", &Work::quiet()).unwrap();
    shop.forget(shop.people, "u0").unwrap();
    let vacuumed = shop.vacuum();
    assert_eq!((vacuumed.failed.len(), vacuumed.tickets[0].state()), (0, State::Unlearned));
    assert_eq!(shop.version("inverse"), None);
    assert!(shop.verify("f_1").passed());
}

/// Does something when the first step of a training is told.
struct Once<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Progress for Once<F> {
    fn report(&self, _: &str, _: u64, _: u64, _: &str) {
        let once = self.0.lock().unwrap().take();
        if let Some(once) = once {
            once();
        }
    }
}

#[test]
fn a_training_that_read_what_was_forgotten_meanwhile_is_not_published() {
    let shop = std::sync::Arc::new(Shop::new());
    shop.fill();
    shop.create_exact("inverse");
    let other = std::sync::Arc::clone(&shop);
    let meanwhile = move || {
        other.forget(other.people, "u4").unwrap();
        // The training holds what it reads, so that the files must wait.
        let (clock, patience) = (|| 5, std::time::Duration::from_millis(10));
        let held = other.engine.vacuum(&clock, patience, &Work::quiet());
        let held = held.expect_err("the training reads an older state");
        assert!(held.to_string().contains("older state"), "{held}");
    };
    let progress = std::sync::Arc::new(Once(Mutex::new(Some(meanwhile))));
    let work = Work { progress, threads: 1, ..Work::quiet() };
    let error = shop.train("inverse", &work).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(shop.version("inverse"), None);
    // What was noted before the files had to wait stays noted.
    let ticket = shop.engine.forgets(&shop.engine.snapshot()).unwrap().remove(0);
    assert_eq!((ticket.erased, ticket.unlearned, ticket.state()), (None, Some(5), State::Masked));
    assert!(shop.train("inverse", &Work::quiet()).is_ok());
    assert_eq!(shop.vacuum().tickets[0].state(), State::Unlearned);
    assert!(shop.verify("f_1").passed());
}

#[test]
fn receipts_are_a_chain_that_shows_what_was_changed_or_taken_out() {
    let shop = Shop::new();
    shop.fill();
    shop.forget(shop.people, "u4").unwrap();
    shop.vacuum();
    let receipts: Vec<Receipt> = (0..3).map(|_| shop.verify("f_1")).collect();
    assert!(receipts.iter().all(Receipt::passed));
    assert_eq!(receipts[0].previous, "");
    assert_eq!(receipts[2].previous, receipts[1].hash);
    assert_eq!(super::receipts(&shop.engine.snapshot()).unwrap(), receipts);
    let record = |number: u64| format!("receipt/{number:010}");
    let bytes = shop.engine.snapshot().record(&record(2)).unwrap().unwrap();
    let at = bytes.windows(3).position(|part| part == b"not").unwrap();
    let mut changed = bytes.clone();
    changed[at] ^= 1;
    let broken = |number: u64| {
        let receipt = shop.verify("f_1");
        let line = receipt.lines.last().unwrap();
        assert!(!line.passed && line.detail.contains(&format!("receipt {number}")), "{line:?}");
    };
    shop.write(|txn| txn.put_record(&record(2), &changed));
    broken(2);
    shop.write(|txn| txn.delete_record(&record(2)));
    broken(2);
    shop.write(|txn| txn.put_record(&record(2), &bytes));
    assert!(shop.verify("f_1").lines.last().unwrap().passed, "it is as it was");
    let last = super::receipts(&shop.engine.snapshot()).unwrap().len() as u64;
    shop.write(|txn| txn.delete_record(&record(last)));
    let receipt = shop.verify("f_1");
    let line = receipt.lines.last().unwrap();
    assert!(!line.passed && line.detail.contains("the last receipt"), "{line:?}");
}

#[test]
fn an_id_that_came_back_is_told() {
    let shop = Shop::new();
    shop.fill();
    shop.forget(shop.people, "u4").unwrap();
    shop.vacuum();
    shop.write(|txn| shop.view(txn, "u4", "m1", 1));
    let receipt = shop.verify("f_1");
    let rows = receipt.lines.iter().find(|line| line.check == "rows").unwrap();
    assert!(!rows.passed && rows.detail.contains("inserted again"), "{rows:?}");
}

/// One step of a life.
#[derive(Clone, Debug)]
enum Step {
    View(u8, u8, u8),
    Unview(u8),
    DeleteUser(u8),
    ForgetUser(u8),
    ForgetItem(u8),
    Refresh(u8),
    Train(u8),
    Vacuum,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..9, 0u8..7, 0u8..30).prop_map(|(user, movie, day)| Step::View(user, movie, day)),
        1 => (0u8..9).prop_map(Step::Unview),
        1 => (0u8..9).prop_map(Step::DeleteUser),
        2 => (0u8..9).prop_map(Step::ForgetUser),
        1 => (0u8..7).prop_map(Step::ForgetItem),
        2 => (0u8..5).prop_map(Step::Refresh),
        1 => (0u8..5).prop_map(Step::Train),
        1 => Just(Step::Vacuum),
    ]
}

fn live(shop: &Shop, step: &Step) {
    match step {
        Step::View(user, movie, day) => {
            let (user, movie) = (format!("u{user}"), format!("m{movie}"));
            shop.write(|txn| shop.view(txn, &user, &movie, i64::from(*day)));
        }
        Step::Unview(user) => shop.write(|txn| {
            let user = txn.lookup(shop.people, &format!("u{user}")).unwrap().map(UserId);
            let history = user.map(|user| txn.history(shop.views, user, &[]).unwrap());
            if let Some(row) = history.unwrap_or_default().first() {
                txn.delete_interaction(shop.views, row.user, row.id).unwrap();
            }
        }),
        Step::DeleteUser(user) => shop.write(|txn| {
            if let Some(user) = txn.lookup(shop.people, &format!("u{user}")).unwrap() {
                txn.delete_row(shop.people, user).unwrap();
            }
        }),
        Step::ForgetUser(user) => drop(shop.forget(shop.people, &format!("u{user}"))),
        Step::ForgetItem(movie) => drop(shop.forget(shop.movies, &format!("m{movie}"))),
        // There may be nothing to learn from, or to continue.
        Step::Refresh(model) => drop(shop.refresh(ALL[usize::from(*model)])),
        Step::Train(model) => drop(shop.train(ALL[usize::from(*model)], &Work::quiet())),
        Step::Vacuum => drop(shop.vacuum()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_life_ends_where_a_database_ends_that_never_saw_the_forgotten(
        steps in prop::collection::vec(step(), 10..60),
    ) {
        let shop = Shop::new();
        for name in ALL {
            shop.create_exact(name);
        }
        for step in &steps {
            live(&shop, step);
        }
        // Everybody is trained once, so that there is something to forget, and then somebody leaves.
        for name in ALL {
            drop(shop.train(name, &Work::quiet()));
        }
        live(&shop, &Step::ForgetUser(0));
        live(&shop, &Step::ForgetItem(0));
        if shop.version("inverse").is_some() {
            let fresh = shop.fresh();
            fresh.create_exact("inverse");
            if fresh.train("inverse", &Work::quiet()).is_ok() {
                assert_near(&shop.answers("inverse"), &fresh.scores("inverse"));
            }
        }
        let vacuumed = shop.vacuum();
        prop_assert_eq!(&vacuumed.failed, &[]);
        for ticket in shop.engine.forgets(&shop.engine.snapshot()).unwrap() {
            prop_assert!(!ticket.is_open(), "{:?}", ticket);
        }
        let fresh = shop.fresh();
        for name in ALL {
            // What was deleted without being forgotten is a matter of the next refresh.
            drop(shop.refresh(name));
            fresh.create_exact(name);
            let trained = fresh.train(name, &Work::quiet());
            if trained.is_err() {
                continue;
            }
            let Some(version) = shop.version(name) else { continue };
            prop_assert_eq!(version.pairs, trained.unwrap().pairs);
            let (own, other) = (shop.scores(name), fresh.scores(name));
            prop_assert_eq!(own.len(), other.len());
            let largest = |a: &&(f32, f32), b: &&(f32, f32)| a.1.abs().total_cmp(&b.1.abs());
            let both = own.iter().zip(&other).map(|((.., a), (.., b))| (*a, *b));
            let both: Vec<(f32, f32)> = both.filter(|(a, b)| a * b > 0.0).collect();
            let scale = match both.iter().max_by(largest) {
                Some((a, b)) if name == "chains" => b / a,
                _ => 1.0,
            };
            for ((user, movie, a), (other_user, other_movie, b)) in own.iter().zip(&other) {
                prop_assert_eq!((user, movie), (other_user, other_movie));
                let a = scale * a;
                let near = (a.is_nan() && b.is_nan())
                    || (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1.0);
                prop_assert!(near, "{}: {} and {} of {} for {}", name, a, b, movie, user);
            }
        }
    }
}
