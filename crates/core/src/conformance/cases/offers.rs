//! What the store says of itself.

use crate::conformance::{
    Capability,
    failure::{Checked, ensure},
    trial::Trial,
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
