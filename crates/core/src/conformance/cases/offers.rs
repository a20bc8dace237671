//! What the store says of itself.

use crate::{
    StoreFuture,
    conformance::{
        Capability,
        failure::{Checked, Failure, ensure},
        trial::{Trial, touch_of},
    },
};

pub(in crate::conformance) async fn capabilities_are_as_declared(trial: Trial) -> Checked {
    for capability in Capability::ALL {
        let (declared, offered) =
            (trial.declares(capability), capability.is_offered_by(&trial.store));
        ensure!(
            declared == offered,
            "the harness MUST declare what the store offers; {capability:?}: declared {declared}, offered {offered}"
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn debug_shows_no_field(trial: Trial) -> Checked {
    const SECRET: &str = "correct-horse-battery-staple";
    let json = format!("\"{SECRET}\"");
    let (id, record) = trial.begin(&trial.with(&[("a", &json)])).await?;
    let mut shown = format!("{:?}{:#?}", trial.store, trial.store);
    let change = trial.set(&record, "b", &json);
    let store = &trial.store;
    shown.push_str(&format!("{:?}", store.apply(&id, &change).await?));
    shown.push_str(&format!("{:?}", store.apply(&id, &change).await?));
    shown.push_str(&format!("{:?}", store.load(&id).await?));
    shown.push_str(&format!("{:?}", store.rotate(&id, &trial.id()?, &change).await));
    shown.push_str(&format!("{:?}{:#?}", trial.store, trial.store));
    ensure!(!shown.contains(SECRET), "Debug MUST NOT print field values");
    Ok(())
}

pub(in crate::conformance) async fn store_that_answers_at_once_never_waits(
    trial: Trial,
) -> Checked {
    let store = &trial.store;
    if !store.answers_at_once() {
        return Ok(());
    }
    let (id, new_id) = (trial.id()?, trial.id()?);
    at_once(store.create(&id, trial.blank()))?;
    let loaded = at_once(store.load(&id))?;
    let record = loaded.ok_or_else(|| Failure::new("load MUST find what was created"))?.record;
    at_once(store.touch(&id, touch_of(&record, trial.long())))?;
    at_once(store.apply(&id, &trial.set(&record, "a", "1")))?;
    let record = trial.record(&id).await?;
    at_once(store.rotate(&id, &new_id, &trial.change(&record)))?;
    at_once(store.delete(&new_id)).map(drop)
}

fn at_once<T>(answer: StoreFuture<'_, T>) -> Checked<T> {
    let answer = answer.into_ready().ok_or_else(|| {
        Failure::new("a store that says it answers at once MUST NOT answer by a pending future")
    })?;
    Ok(answer?)
}
