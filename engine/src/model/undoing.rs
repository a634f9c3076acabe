//! Approximate unlearning of models that are trained by gradients: one step of the item rows against
//! what is to be forgotten, in closed form.
//!
//! ```text
//! q_i ← q_i + (E_i over the pairs that stay − E_i over all)     where rows are smoothed over a graph
//! q_i ← q_i − s · q̄ · (d_i + 1)^−a · C⁻¹ Σ_u x_u                over the people u whose pair with i goes
//!       x_u = Σ q_j over what stays of u, scaled to length one
//!       C = f · mean of x_u x_uᵀ over the pairs that stay         f: the number of factors
//! ```
//!
//! q̄ is the root mean square of the lengths of rows, d_i how many had the item. C makes it the step that
//! takes a pair's score down while it changes all others least, in the least squares: the step of
//! Newton's method for the items with people as they are (as in influence functions, Koh and Liang
//! 2017, and second-order unlearning, Guo et al. 2020). Plain reversed comparisons (MMRecUn: Sinha et al. 2024)
//! take down what is alike and was never seen as well; on sparse data that cost a seventh of all recall.
//!
//! How long the step is, s, is measured once, after the training: the pairs that it had hidden from its
//! first run are undone in the model that has learned them, and s is the shortest step after which they
//! are found no better than the first run found them, which had never seen them. Since those are the
//! same people and the same pairs, nothing has to be assumed about either; and a forget set of one pair
//! is as well off as a large one.
//!
//! Not here: that anything is proven. What a model gives away is measured by the vacuum, and by
//! EVALUATE FORGETTING.

use tastedb_storage::{ItemId, UserId};

use super::counted::counted;
use super::factors::Factors;
use super::file::Array;
use super::holdout::{Case, Holdout, holdouts};
use super::learning::{APPROXIMATE, LAYERS, Learned, UNLEARN, Way, questions};
use super::modalities::NEIGHBOURS;
use super::news::News;
use super::people::{People, sum_up};
use crate::kernels::{dot, stride};
use crate::linalg::{Cholesky, inner};
use crate::seeded::number;
use crate::trainer::{Graph, Question, Smoothing, Table};
use crate::{Csr, Dataset, OptionValue, Result, SideData, Work};

/// a: what many had has learned less of each.
const POPULAR: f32 = 0.25;
/// So much of the mean eigenvalue of C is added to its diagonal.
const DAMPING: f64 = 0.01;
/// The step that is tried first, how many are tried, each twice as long as the one before, and how often what
/// is between the last two is halved.
const FIRST: f64 = 1.0 / 16.0;
const DOUBLINGS: usize = 9;
const HALVINGS: usize = 5;
/// The steps that [`reach`] tries, about: a recall each.
pub(super) const TRIES: usize = 4 + HALVINGS;
/// People who are asked about of each kind, at most.
const ASKED: usize = 1_000;
/// The largest share of the pairs that one step is taken against.
const MOST: f64 = 0.25;
/// How much worse than before pairs that stay may be found in the end, as pairs that the model has learned;
/// what it finds of others suffers less.
const LOSS: f64 = 0.3;

/// How the rows of a model that undoes come about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    /// How often they are smoothed over the graph of interactions.
    layers: usize,
    /// How much of its own base row an item has beside, by a graph of items.
    own: f32,
}

/// What a training has measured for the forgetting to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reach {
    /// The recall@20 of what was hidden, when it had never been seen.
    pub(super) level: f64,
    /// s; infinite where no step was long enough.
    pub(super) step: f64,
    /// See [`Shape::content`].
    pub(super) content: u64,
}

/// What came of an unlearning.
pub(super) enum Tried {
    /// The model, and what was done.
    Undone(Box<Factors>, String),
    /// Why not, where there is something to say.
    Not(Option<String>),
}

impl Shape {
    /// The shape of a model with these options; `None` where it does not undo.
    pub(super) fn of<'a>(option: impl Fn(&str) -> Option<&'a OptionValue>) -> Option<Shape> {
        let wanted = OptionValue::Text(APPROXIMATE.to_owned());
        if option(UNLEARN.name) != Some(&wanted) {
            return None;
        }
        let int = |name: &str| match option(name) {
            Some(OptionValue::Int(value)) => Some(*value),
            _ => None,
        };
        let layers = int(LAYERS).unwrap_or(0) as usize;
        let own = int(NEIGHBOURS.name).map_or(0.0, |links| 1.0 / links.max(1) as f32);
        Some(Shape { layers, own })
    }

    fn of_model(model: &Factors) -> Option<Shape> {
        let find = |name: &str| model.options.iter().find(|(own, _)| own == name);
        Shape::of(|name| find(name).map(|(_, value)| value))
    }

    /// A number that another embedding of any of the items would change, where they are looked at.
    pub(super) fn content(self, side: &SideData, items: &[ItemId]) -> u64 {
        if self.own == 0.0 {
            return 0;
        }
        let mut sum = 0;
        for matrix in side.embeddings.values() {
            sum = number(sum, matrix.dim() as u64);
            for item in items {
                let Some(vector) = matrix.get(*item) else { continue };
                sum = number(sum, item.0);
                for pair in vector.chunks(2) {
                    let bits =
                        |at: usize| pair.get(at).map_or(0, |value| u64::from(value.to_bits()));
                    sum = number(sum, bits(0) << 32 | bits(1));
                }
            }
        }
        sum
    }

    /// The share of a base row in the mean over all levels.
    fn share(self) -> f32 {
        1.0 / (self.layers + 1) as f32
    }
}

/// The pairs of people in the item rows of a model, those that stay and those that go. They are the same
/// people, row by row.
struct Parted {
    stays: Dataset,
    goes: Csr,
}

impl Parted {
    /// What stays are all pairs of data that know the model's items.
    fn of_news(model: &Factors, data: &Dataset, pairs: &[(UserId, ItemId)]) -> Parted {
        let mut users = data.users.clone();
        users.extend(pairs.iter().map(|(user, _)| *user));
        users.sort_unstable();
        users.dedup();
        let row = |item: &ItemId| model.items.binary_search(item).ok().map(|row| row as u32);
        let rows: Vec<Option<u32>> = data.items.iter().map(row).collect();
        let stays = matrix(&model.items, &users, |user, out| {
            let own = data.user_row(user).map_or(&[][..], |row| data.by_user.row(row as usize).0);
            out.extend(own.iter().filter_map(|item| rows[*item as usize]));
        });
        let goes = matrix(&model.items, &users, |user, out| {
            let from = pairs.partition_point(|(other, _)| *other < user);
            let own = pairs[from..].iter().take_while(|(other, _)| *other == user);
            out.extend(own.filter_map(|(_, item)| row(item)));
        });
        let by_item = stays.transpose();
        let (items, times) = (model.items.clone(), None);
        Parted { stays: Dataset { users, items, by_user: stays, by_item, times }, goes }
    }

    /// What a training had hidden goes.
    fn of_hidden(Holdout { data, cases }: Holdout) -> Parted {
        let mut hidden: Vec<Case> = cases;
        hidden.sort_unstable_by_key(|case| case.user);
        let mut hidden = hidden.into_iter().peekable();
        let mut row = 0;
        let goes = matrix(&data.items, &data.users, |_, out| {
            if let Some(case) = hidden.next_if(|case| case.user == row) {
                out.extend_from_slice(&case.hidden);
            }
            row += 1;
        });
        Parted { stays: data, goes }
    }

    /// All pairs.
    fn all(&self) -> Csr {
        let Dataset { users, items, by_user, .. } = &self.stays;
        let mut row = 0;
        matrix(items, users, |_, out| {
            out.extend_from_slice(by_user.row(row).0);
            out.extend_from_slice(self.goes.row(row).0);
            out.sort_unstable();
            out.dedup();
            row += 1;
        })
    }

    /// Who is asked about what goes: with what stays of them, or with half of what does not.
    fn questions(&self, seed: u64) -> Vec<Question> {
        let mut questions = Vec::new();
        for (user, (own, _)) in self.goes.rows().enumerate() {
            if own.is_empty() {
                continue;
            }
            let mut hidden = own.to_vec();
            let mut history = self.stays.by_user.row(user).0.to_vec();
            if history.is_empty() {
                hidden.sort_unstable_by_key(|item| number(seed, u64::from(*item)));
                history = hidden.split_off(hidden.len().div_ceil(2));
                hidden.sort_unstable();
            }
            if !history.is_empty() {
                questions.push((number(seed, user as u64), Question { history, hidden }));
            }
        }
        questions.sort_by_key(|(order, _)| *order);
        questions.truncate(ASKED);
        questions.into_iter().map(|(_, question)| question).collect()
    }
}

/// Rows of users, each as it is filled in, ascending.
fn matrix(items: &[ItemId], users: &[UserId], mut fill: impl FnMut(UserId, &mut Vec<u32>)) -> Csr {
    let (mut indptr, mut indices, mut own) = (vec![0], Vec::new(), Vec::new());
    for user in users {
        own.clear();
        fill(*user, &mut own);
        indices.extend_from_slice(&own);
        indptr.push(indices.len());
    }
    let values = vec![1.0; indices.len()];
    Csr::from_parts(items.len(), indptr, indices, values).expect("rows ascend, each item once")
}

/// A model on its way from what goes.
struct Undoing {
    shape: Shape,
    way: Way,
    /// The rows without the edges of what goes.
    factors: Table,
    sums: Option<Table>,
    base: Table,
    /// What a step of one takes off the rows of items.
    direction: Table,
    /// What is added to a sum of somebody who had an item, of each unit of its base row.
    scales: Vec<f32>,
}

impl Undoing {
    /// Takes the edges away and finds the direction of the step; `None` where there is none.
    fn new(model: &Factors, shape: Shape, parted: &Parted) -> Option<Undoing> {
        let beginning = model.beginning.as_ref()?;
        let Learned { mut factors, mut sums } = Learned::of(model);
        let mut base = Table::zeros(model.items.len(), model.dim);
        base.data_mut().copy_from_slice(&beginning.rows);
        let all = parted.all();
        if shape.layers > 0 {
            let People::Scaled(people) = &beginning.people else { return None };
            let [people] = **people else { return None };
            let stays = smoothed(&base, people, &parted.stays.by_user, shape.layers);
            let before = smoothed(&base, people, &all, shape.layers);
            change(&mut factors, &stays.0, &before.0);
            if let Some(sums) = &mut sums {
                change(sums, &stays.1, &before.1);
            }
        }
        let degrees: Vec<usize> = all.transpose().rows().map(|(users, _)| users.len()).collect();
        let direction = direction(&factors, parted, &degrees)?;
        let by_item = &parted.stays.by_item;
        let scales = (0..factors.rows())
            .map(|item| shape.share() * (by_item.degree(item).max(1) as f32).sqrt().recip())
            .collect();
        let way = beginning.ridge.map_or(Way::Sums, Way::Ridge);
        Some(Undoing { shape, way, factors, sums, base, direction, scales })
    }

    /// The item side after a step.
    fn at(&self, step: f64) -> Learned {
        let step = step as f32;
        let mut factors = self.factors.clone();
        let both = factors.data_mut().iter_mut().zip(self.direction.data());
        both.for_each(|(value, slope)| *value -= step * slope);
        let sums = self.sums.clone().map(|mut sums| {
            for (item, scale) in self.scales.iter().enumerate() {
                let of_base = step * scale / (self.shape.share() + self.shape.own);
                let both = sums.row_mut(item).iter_mut().zip(self.direction.row(item));
                both.for_each(|(value, slope)| *value -= of_base * slope);
            }
            sums
        });
        Learned { factors, sums }
    }

    /// The base rows after a step: so far that the rows of items move as they do, but for what comes
    /// around by neighbours.
    fn base_at(&self, step: f64) -> Vec<f32> {
        let step = step as f32 / (self.shape.share() + self.shape.own);
        let both = self.base.data().iter().zip(self.direction.data());
        both.map(|(value, slope)| value - step * slope).collect()
    }

    fn recall(&self, learned: &Learned, questions: &[Question]) -> f64 {
        learned.recall(&learned.fold(self.way), questions)
    }
}

/// Rows of items and of sums, smoothed over some pairs. The rows of people are what histories make.
fn smoothed(items: &Table, people: f32, pairs: &Csr, layers: usize) -> (Table, Table) {
    let (users, dim, stride) = (pairs.n_rows(), items.dim(), items.stride());
    let mut base = Table::zeros(users + items.rows(), dim);
    base.part_mut(users..users + items.rows()).copy_from_slice(items.data());
    for (user, (own, _)) in pairs.rows().enumerate() {
        let row = base.row_mut(user);
        sum_up(items.data(), stride, own, row);
        row.iter_mut().for_each(|value| *value *= people);
    }
    Smoothing::new(Graph::new(pairs, &pairs.transpose()), layers, dim).items(&base)
}

/// Adds what is different.
fn change(rows: &mut Table, now: &Table, before: &Table) {
    let both = now.data().iter().zip(before.data());
    rows.data_mut().iter_mut().zip(both).for_each(|(value, (now, before))| *value += now - before);
}

/// What a step of one takes off the rows of items.
fn direction(factors: &Table, parted: &Parted, degrees: &[usize]) -> Option<Table> {
    let (dim, items) = (factors.dim(), factors.rows());
    let stays = &parted.stays.by_user;
    let mut people = Table::zeros(stays.n_rows(), dim);
    for (user, (own, _)) in stays.rows().enumerate() {
        let own = if own.is_empty() { parted.goes.row(user).0 } else { own };
        let row = people.row_mut(user);
        sum_up(factors.data(), stride(dim), own, row);
        let length = dot(row, row).sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
    let mut weighed = people.clone();
    for (user, (own, _)) in stays.rows().enumerate() {
        weighed.row_mut(user).iter_mut().for_each(|value| *value *= own.len() as f32);
    }
    let mut system = inner(weighed.data(), people.data(), people.stride(), dim);
    let trace: f64 = system.iter().step_by(dim + 1).sum();
    system.iter_mut().for_each(|value| *value *= dim as f64 / trace);
    system.iter_mut().step_by(dim + 1).for_each(|value| *value += DAMPING);
    let system = Cholesky::new(dim, system)?;
    let square: f64 =
        (0..items).map(|row| f64::from(dot(factors.row(row), factors.row(row)))).sum();
    let length = (square / items.max(1) as f64).sqrt();
    let mut direction = Table::zeros(items, dim);
    let mut sum = vec![0f64; dim];
    for (item, (users, _)) in parted.goes.transpose().rows().enumerate() {
        if users.is_empty() {
            continue;
        }
        sum.fill(0.0);
        for user in users {
            let row = people.row(*user as usize);
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        system.solve(&mut sum);
        let scale = length * f64::from((degrees[item] as f32 + 1.0).powf(-POPULAR));
        let row = direction.row_mut(item).iter_mut();
        row.zip(&sum).for_each(|(to, value)| *to = (scale * value) as f32);
    }
    Some(direction)
}

/// Measures how long a step must be: see the module. `asked` are questions about what was hidden.
pub(super) fn reach(
    model: &Factors,
    (shape, content): (Shape, u64),
    split: Holdout,
    asked: &[Question],
    level: f64,
    work: &Work,
) -> Result<Option<Reach>> {
    let Some(undoing) = Undoing::new(model, shape, &Parted::of_hidden(split)) else {
        return Ok(None);
    };
    let tries = (DOUBLINGS + HALVINGS) as u64;
    let mut tried = 0;
    let mut enough = |step: f64| -> Result<bool> {
        work.step("how far to step to forget", tried, tries)?;
        tried += 1;
        Ok(undoing.recall(&undoing.at(step), asked) <= level)
    };
    let (mut short, mut long) = (0.0, FIRST);
    let mut doubled = 0;
    while !enough(long)? {
        (short, long, doubled) = (long, 2.0 * long, doubled + 1);
        if doubled == DOUBLINGS {
            return Ok(Some(Reach { level, step: f64::INFINITY, content }));
        }
    }
    for _ in 0..HALVINGS {
        let middle = (short + long) / 2.0;
        match enough(middle)? {
            true => long = middle,
            false => short = middle,
        }
    }
    work.step("how far to step to forget", tries, tries)?;
    Ok(Some(Reach { level, step: long, content }))
}

/// Makes a model forget pairs that went since its training, if it is known which.
pub(super) fn undo(model: &Factors, news: &News<'_>, seed: u64, work: &Work) -> Result<Tried> {
    // What was had of an item that left has no row any more to be held against.
    let known = |item: &ItemId| news.items().binary_search(item).is_ok();
    let of_use = |pairs: &Vec<(UserId, ItemId)>| {
        !pairs.is_empty() && pairs.iter().all(|(_, item)| known(item))
    };
    let reach = model.beginning.as_ref().and_then(|beginning| beginning.reach);
    let given = Shape::of_model(model).zip(reach).zip(news.removed().filter(of_use));
    let Some(((shape, reach), pairs)) = given else { return Ok(Tried::Not(None)) };
    if !reach.step.is_finite() {
        let why =
            "undone approximately: no step was long enough to forget what training had hidden";
        return Ok(Tried::Not(Some(why.to_owned())));
    }
    work.step("undoing", 0, 1)?;
    let parted = Parted::of_news(model, &counted(news.data()?, usize::MAX), &pairs);
    let share = pairs.len() as f64 / (pairs.len() + parted.stays.n_pairs()) as f64;
    if share > MOST {
        let why = format!("undone approximately: {:.0} % of the pairs are gone", 100.0 * share);
        return Ok(Tried::Not(Some(why)));
    }
    let Some(undoing) = Undoing::new(model, shape, &parted) else { return Ok(Tried::Not(None)) };
    let split = holdouts(&parted.stays, seed).into_iter().next();
    let mut kept = questions(split.as_ref().map_or(&[], |split| &split.cases));
    kept.truncate(ASKED);
    let asked = parted.questions(seed);
    let before = Learned::of(model);
    let after = undoing.at(reach.step);
    let recalls = |questions: &[Question]| {
        [&before, &after].map(|learned| undoing.recall(learned, questions))
    };
    let (kept, asked) = (recalls(&kept), recalls(&asked));
    work.check()?;
    let how = format!(
        "undone approximately: a step of {:.3} against {} pairs; recall@20 of the forgotten {:.4}, then \
         {:.4} (of what was hidden in training {:.4}), of the kept {:.4}, then {:.4}",
        reach.step,
        pairs.len(),
        asked[0],
        asked[1],
        reach.level,
        kept[0],
        kept[1]
    );
    if kept[1] < (1.0 - LOSS) * kept[0] {
        return Ok(Tried::Not(Some(how)));
    }
    let undone = after.model(model.algorithm, &parted.stays, undoing.way, model.notes.clone());
    let beginning = model.beginning.as_ref().map(|beginning| {
        let rows = Array::Owned(undoing.base_at(reach.step));
        beginning.with_rows(rows)
    });
    work.step("undoing", 1, 1)?;
    let undone = Factors { beginning, options: model.options.clone(), ..undone };
    Ok(Tried::Undone(Box::new(undone), how))
}

/// Whether there is more that is new to a model than what went: then it is to go on learning.
pub(super) fn more_is_new(model: &Factors, news: &News<'_>) -> bool {
    let content = |reach: &Reach| {
        let shape = Shape::of_model(model);
        shape.is_none_or(|shape| shape.content(news.side(), &model.items) != reach.content)
    };
    let beginning = model.beginning.as_ref();
    let reach = beginning.and_then(|beginning| beginning.reach.as_ref());
    news.items() != model.items || news.adds() || reach.is_none_or(content)
}

#[cfg(test)]
mod tests;
