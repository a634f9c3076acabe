//! A shop whose visitors change their minds: what is clicked under one policy of showing things, seeded.
//!
//! Every thing has an appeal that wanders, every person a taste for one kind of things that changes now
//! and then. Each hour some people are shown a slate; what was shown and what was clicked is recorded,
//! and the next hour's slates are made from that. It knows the true click rates, which no policy does.

use std::time::Duration;

use tastedb::{ColumnType, Database, NewTable, Value};

/// What decides which things are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// What has been clicked most lately: TasteDB's `trending`.
    Trending,
    /// The same, with a place in ten given away evenly.
    Epsilon,
    /// The highest click rate, measured from the same fading counts that Thompson sampling has.
    Greedy,
    /// Thompson sampling over clicks and impressions.
    Thompson,
    /// The highest true click rate, which is what no policy can do better than.
    Oracle,
}

/// All of them.
pub(crate) const POLICIES: [Policy; 5] =
    [Policy::Trending, Policy::Epsilon, Policy::Greedy, Policy::Thompson, Policy::Oracle];

/// How large and how restless the shop is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shop {
    /// Things on offer.
    pub(crate) things: usize,
    /// People who come.
    pub(crate) people: usize,
    /// Hours.
    pub(crate) hours: usize,
    /// People who are shown a slate in an hour.
    pub(crate) visits: usize,
    /// Things on a slate.
    pub(crate) slate: usize,
    /// How far an appeal wanders in an hour, as a standard deviation of log odds.
    pub(crate) drift: f64,
    /// After so many hours a click or an impression counts half, for the policies that measure.
    pub(crate) half_life: f64,
}

/// Kinds of things.
const KINDS: usize = 3;

/// Clicks for each thing shown under a policy.
pub(crate) fn click_rate(shop: Shop, policy: Policy, seed: u64) -> f64 {
    let mut chance = Chance(seed);
    let mut appeals: Vec<f64> = (0..shop.things).map(|_| -3.5 + chance.normal()).collect();
    let mut tastes: Vec<usize> = (0..shop.people).map(|_| chance.below(KINDS)).collect();
    let (mut clicks, mut shown) = (vec![0.0; shop.things], vec![0.0; shop.things]);
    let db = Database::in_memory().expect("a database");
    let mut write = db.begin_write().expect("a writer");
    write.create_table(NewTable::users("people")).expect("a table");
    write.create_table(NewTable::items("things")).expect("a table");
    for table in ["clicks", "views"] {
        let table = NewTable::interactions(table, "people", "things");
        write.create_table(table.column("at", ColumnType::Timestamp)).expect("a table");
    }
    for thing in 0..shop.things {
        write.put_item("things", &format!("t{thing}"), ()).expect("a thing");
    }
    for person in 0..shop.people {
        write.put_user("people", &format!("p{person}"), ()).expect("a person");
    }
    write.commit().expect("a commit");

    let (mut clicked, mut offered) = (0, 0);
    for hour in 0..shop.hours {
        let at = [("at", Value::Timestamp(hour as i64 * 3_600_000_000))];
        let state = db.snapshot();
        let mut events = Vec::new();
        for visit in 0..shop.visits {
            let person = chance.below(shop.people);
            let rate = |thing: usize| {
                let liked = if thing % KINDS == tastes[person] { 0.7 } else { 0.0 };
                1.0 / (1.0 + (-(appeals[thing] + liked)).exp())
            };
            let ask = || {
                let name = format!("p{person}");
                let ask = state.recommend("things").user(name).using("trending").include_seen();
                ask.k(shop.slate).seed(seed ^ ((hour * shop.visits + visit) as u64) << 20)
            };
            let asked = match policy {
                Policy::Trending => Some(ask()),
                Policy::Epsilon => Some(ask().explore(0.1)),
                Policy::Thompson => {
                    let half_life = Duration::from_secs_f64(shop.half_life * 3_600.0);
                    Some(ask().explore_by(1.0, "clicks", "views").half_life(half_life))
                }
                Policy::Greedy | Policy::Oracle => None,
            };
            let things: Vec<usize> = match asked {
                Some(asked) => {
                    let answer = asked.run().expect("an answer");
                    answer.rows.iter().map(|row| row.key[1..].parse().expect("a number")).collect()
                }
                None if policy == Policy::Oracle => best(shop, rate),
                None => {
                    let all = clicks.iter().sum::<f64>() + 1.0;
                    let overall = all / (shown.iter().sum::<f64>() + 2.0);
                    best(shop, |thing| (1.0 + clicks[thing]) / (1.0 / overall + shown[thing]))
                }
            };
            for thing in things {
                events.push((person, thing, chance.fraction() < rate(thing)));
            }
        }
        for sums in [&mut clicks, &mut shown] {
            sums.iter_mut().for_each(|sum| *sum *= (-1.0 / shop.half_life).exp2());
        }
        let mut write = db.begin_write().expect("a writer");
        for (person, thing, click) in events {
            let (user, item) = (format!("p{person}"), format!("t{thing}"));
            write.record("views", &user, &item, at.clone()).expect("a view");
            shown[thing] += 1.0;
            offered += 1;
            if click {
                write.record("clicks", &user, &item, at.clone()).expect("a click");
                clicks[thing] += 1.0;
                clicked += 1;
            }
        }
        write.commit().expect("a commit");
        for appeal in &mut appeals {
            *appeal += -0.01 * (*appeal + 3.5) + shop.drift * chance.normal();
        }
        for taste in &mut tastes {
            if chance.fraction() < 0.005 {
                *taste = chance.below(KINDS);
            }
        }
    }
    f64::from(clicked) / f64::from(offered)
}

/// The things of the highest value, the first of equal ones.
fn best(shop: Shop, value: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut things: Vec<usize> = (0..shop.things).collect();
    things.sort_by(|a, b| value(*b).total_cmp(&value(*a)));
    things.truncate(shop.slate);
    things
}

/// Numbers that look random: splitmix64.
struct Chance(u64);

impl Chance {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.number() % n as u64) as usize
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.fraction()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.fraction()).cos()
    }
}
