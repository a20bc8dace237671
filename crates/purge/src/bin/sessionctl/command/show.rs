//! Shows one session.

use serde::Serialize;

use crate::{
    arguments::Ids,
    exit::{Exit, Failure},
    output::Output,
    session::Shown,
    store::{Opened, not_found},
};

#[derive(Serialize)]
struct Object<'a> {
    session: Shown<'a>,
}

pub(crate) async fn show(
    store: &Opened,
    given: &str,
    data: bool,
    ids: &Ids,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let id = store.find(given).await?;
    let loaded = store.load(&id).await?.ok_or_else(|| not_found(&id.short().to_string()))?;
    let session = Shown { id, record: &loaded.record, data };
    session.facts(ids.full).into_iter().for_each(|fact| output.say(fact));
    output.object(&Object { session });
    Ok(Exit::Done)
}
