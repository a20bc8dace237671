//! Looks for what is damaged.

use serde_json::json;
use tower_keep_core::{Checked, Problem, ProblemKind, Query, StoreErrorKind};

use crate::{
    exit::{Exit, Failure},
    output::Output,
    progress::Progress,
    store::{Opened, PAGE},
    text::printable_json,
};

pub(crate) async fn check(store: &Opened, output: &mut Output) -> Result<Exit, Failure> {
    let progress = Progress::new(None);
    progress.at("checking", 0);
    let checked = match store.store.check() {
        Some(check) => check.check().await?,
        None => read_all(store, &progress).await?,
    };
    drop(progress);
    for problem in &checked.problems {
        output.say(printable_json(&problem.to_string()));
    }
    // What is not ours is told, and no fault of the store.
    let foreign = checked.problems.iter().filter(|p| p.kind == ProblemKind::Foreign).count();
    let wrong = checked.problems.len() - foreign;
    output.say(format_args!(
        "{} sessions are whole, {wrong} entries are not, {foreign} are foreign",
        checked.sessions
    ));
    let problems = checked.problems.iter().map(|problem| {
        let kind = format!("{:?}", problem.kind).to_lowercase();
        json!({ "kind": kind, "place": problem.place, "text": problem.kind.to_string() })
    });
    output.object(&json!({
        "whole": checked.sessions,
        "wrong": wrong,
        "foreign": foreign,
        "problems": problems.collect::<Vec<_>>(),
    }));
    Ok(if wrong == 0 { Exit::Done } else { Exit::Found })
}

/// What can be said of any store: whether each session that it lists can be read.
async fn read_all(store: &Opened, progress: &Progress) -> Result<Checked, Failure> {
    let query = Query::all().with_limit(PAGE);
    let mut checked = Checked::default();
    let mut next = None;
    loop {
        let page = store.page(&query, next).await?;
        for listed in page.sessions {
            match store.load(&listed.id).await {
                Ok(loaded) => checked.sessions += u64::from(loaded.is_some()),
                Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                    let place = listed.id.to_string();
                    checked.problems.push(Problem::new(ProblemKind::Damaged, place));
                }
                Err(error) => return Err(error.into()),
            }
        }
        progress.at("checking", checked.sessions);
        next = page.next;
        if next.is_none() {
            return Ok(checked);
        }
    }
}
