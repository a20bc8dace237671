//! Random sequences of operations, beside a model that is obvious.

use std::{collections::HashMap, sync::Arc};

use crate::{
    Applied, Change, Created, Record, Rotated, SessionId, Touched, UserId,
    conformance::{
        Capability, Failure,
        failure::{Checked, ensure},
        random::Random,
        trial::{Trial, sorted, touch_of},
    },
};

const SEQUENCES: usize = 4;
const STEPS: usize = 150;
/// Expiry is slept through where the clock is a server's, so that it is rare.
const MOST_EXPIRIES: usize = 1;

pub(in crate::conformance) async fn random_sequences_behave_as_the_model(trial: Trial) -> Checked {
    let mut random = Random::new()?;
    for _ in 0..SEQUENCES {
        let run = sequence(&trial, &mut random).await;
        run.map_err(|failure| failure.during(&random))?;
    }
    Ok(())
}

/// What must be stored, and what was read once, from which late requests compute.
struct Model {
    ids: Vec<SessionId>,
    live: HashMap<SessionId, Record>,
    seen: Vec<Arc<Record>>,
    expiries: usize,
}

async fn sequence(trial: &Trial, random: &mut Random) -> Checked {
    let mut model = Model {
        ids: (0..4).map(|_| trial.id()).collect::<Checked<_>>()?,
        live: HashMap::new(),
        seen: Vec::new(),
        expiries: 0,
    };
    let mut done = Vec::new();
    for _ in 0..STEPS {
        let id = model.ids[random.below(model.ids.len())];
        let operation = step(trial, random, &mut model, id).await;
        let story = |failure: Failure| failure.during(format_args!("after {done:?}"));
        done.push(operation.map_err(story)?);
        let story = |failure: Failure| failure.during(format_args!("after {done:?}"));
        ensure_as_modelled(trial, &mut model).await.map_err(story)?;
    }
    if trial.declares(Capability::Index) {
        let listed = trial.list(trial.layer.clone().into()).await?;
        let listed = sorted(listed.iter().map(|listed| listed.id));
        let live = sorted(model.live.keys().copied());
        ensure!(listed == live, "exactly the live sessions MUST be listed, after {done:?}");
    }
    for id in &model.ids {
        trial.store.delete(id).await?;
    }
    Ok(())
}

/// One operation on the store and the model; tells which it was.
async fn step(
    trial: &Trial,
    random: &mut Random,
    model: &mut Model,
    id: SessionId,
) -> Checked<&'static str> {
    match random.below(12) {
        0..=2 => create(trial, random, model, id).await,
        3..=5 => apply(trial, random, model, id).await,
        6..=7 => rotate(trial, random, model, id).await,
        8..=9 => touch(trial, model, id).await,
        10 => delete(trial, model, id).await,
        _ => expire(trial, model, id).await,
    }
}

async fn create(
    trial: &Trial,
    random: &mut Random,
    model: &mut Model,
    id: SessionId,
) -> Checked<&'static str> {
    let mut new = trial.with(&[("a", "0")]);
    new.user = (random.below(2) == 0).then(|| UserId::from("ada"));
    new.remember = random.below(2) == 0;
    match (trial.store.create(&id, new.clone()).await?, model.live.contains_key(&id)) {
        (Created::Created(receipt), false) => model.live.insert(id, new.at(receipt.at)),
        (Created::Taken, true) => None,
        (answer, _) => return Err(wrong("create", &answer)),
    };
    Ok("create")
}

async fn apply(
    trial: &Trial,
    random: &mut Random,
    model: &mut Model,
    id: SessionId,
) -> Checked<&'static str> {
    let Some(change) = change(trial, random, model) else {
        return Ok("nothing");
    };
    match (trial.store.apply(&id, &change).await?, model.live.get_mut(&id)) {
        (Applied::Applied(receipt), Some(record)) if change.fits(record.version) => {
            *record = change.applied_to(record, receipt.at);
        }
        (Applied::Conflict(_), Some(record)) if change.base_version != record.version => {}
        (Applied::Gone, None) => {}
        (answer, _) => return Err(wrong("apply", &answer)),
    }
    Ok("apply")
}

async fn rotate(
    trial: &Trial,
    random: &mut Random,
    model: &mut Model,
    id: SessionId,
) -> Checked<&'static str> {
    let Some(change) = change(trial, random, model) else {
        return Ok("nothing");
    };
    let new = model.ids[random.below(model.ids.len())];
    if new == id || model.live.get(&id).is_some_and(|record| is_mistakable(record, &change)) {
        return Ok("nothing");
    }
    let taken = model.live.contains_key(&new);
    let answer = trial.store.rotate(&id, &new, &change).await?;
    match (answer, model.live.get(&id)) {
        (Rotated::Rotated(receipt), Some(record))
            if !taken && change.base_version == record.version =>
        {
            let moved = change.applied_to(record, receipt.at);
            model.live.remove(&id);
            model.live.insert(new, moved);
        }
        (Rotated::Conflict(_), Some(record)) if change.base_version != record.version => {}
        (Rotated::Taken, Some(record)) if taken && change.base_version == record.version => {}
        (Rotated::Gone, None) => {}
        (answer, _) => return Err(wrong("rotate", &answer)),
    }
    Ok("rotate")
}

async fn touch(trial: &Trial, model: &mut Model, id: SessionId) -> Checked<&'static str> {
    let stale = match (model.live.get(&id), model.seen.last()) {
        (Some(record), _) => record.clone(),
        (None, Some(record)) => (**record).clone(),
        (None, None) => return Ok("nothing"),
    };
    let answer = trial.store.touch(&id, touch_of(&stale, trial.long())).await?;
    match (answer, model.live.get_mut(&id)) {
        (Touched::Touched(receipt), Some(record)) => {
            *record = record.touched(trial.long(), receipt.at);
        }
        (Touched::Gone, None) => {}
        (answer, _) => return Err(wrong("touch", &answer)),
    }
    Ok("touch")
}

async fn delete(trial: &Trial, model: &mut Model, id: SessionId) -> Checked<&'static str> {
    let found = trial.store.delete(&id).await?;
    let live = model.live.remove(&id).is_some();
    ensure!(found == live, "delete MUST say whether a live session was there; it said {found}");
    Ok("delete")
}

/// Shortens a session and waits until it is over.
async fn expire(trial: &Trial, model: &mut Model, id: SessionId) -> Checked<&'static str> {
    if model.expiries == MOST_EXPIRIES {
        return Ok("nothing");
    }
    let Some(record) = model.live.remove(&id) else {
        return Ok("nothing");
    };
    model.expiries += 1;
    trial.touch(&id, &record, trial.short()).await?;
    trial.pass(5).await;
    Ok("expire")
}

/// A change that is based on anything that was ever read.
fn change(trial: &Trial, random: &mut Random, model: &Model) -> Option<Change> {
    const NAMES: [&str; 4] = ["a", "b", "", "\0"];
    if model.seen.is_empty() {
        return None;
    }
    // Mostly on what was read of late.
    let back = random.below(model.seen.len()).min(random.below(4));
    let base = &model.seen[model.seen.len() - 1 - back];
    let mut change = trial.change(base);
    for name in NAMES {
        match random.below(4) {
            0 => change.edits.set(name, &random.below(1_000).to_string()),
            1 => change.edits.remove(name),
            _ => {}
        }
    }
    change.exact = random.below(3) == 0;
    change.clear = random.below(6) == 0;
    change.restart = random.below(6) == 0;
    change.user = (random.below(6) == 0).then(|| UserId::from("bob"));
    change.remember = (random.below(6) == 0).then_some(true);
    Some(change)
}

/// Whether a change was computed from another session that nothing tells apart from this one: as many
/// changes, and begun in the same millisecond. Ids are not given twice within one.
fn is_mistakable(record: &Record, change: &Change) -> bool {
    let base = change.base();
    (base.version, base.created_at) == (record.version, record.created_at)
        && (base.user, base.remember, base.fields)
            != (record.user.clone(), record.remember, record.fields.clone())
}

/// Every id must hold what the model holds; what is read is remembered.
async fn ensure_as_modelled(trial: &Trial, model: &mut Model) -> Checked {
    for id in &model.ids {
        match (trial.load(id).await?, model.live.get(id)) {
            (Some(loaded), Some(expected)) => {
                let clause = "the record MUST be what the operations made of it";
                trial.ensure_record(&loaded.record, expected, clause)?;
                if model.seen.last().is_none_or(|last| **last != *loaded.record) {
                    model.seen.push(loaded.record);
                }
            }
            (None, None) => {}
            (Some(_), None) => return Err(Failure::new("a session MUST NOT come back")),
            (None, Some(_)) => return Err(Failure::new("a live session MUST load")),
        }
    }
    Ok(())
}

fn wrong(operation: &str, answer: &dyn std::fmt::Debug) -> Failure {
    Failure::new(format!("{operation} MUST answer as the model does; it answered {answer:?}"))
}
