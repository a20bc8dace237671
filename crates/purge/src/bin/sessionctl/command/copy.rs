//! Takes every live session to another store.

use std::{cell::RefCell, time::Duration};

use serde_json::{Map, Value, json};
use tower_keep_purge::{Copied, CopySettings, Journal, copy_sessions};

use crate::{
    arguments::Copy,
    exit::{Exit, Failure},
    output::Output,
    progress::Progress,
    session::shown_id,
    store::{Opened, unless_interrupted},
    text,
};

pub(crate) async fn copy(
    from: &Opened,
    to: &Opened,
    copy: &Copy,
    timeout: Duration,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut settings = CopySettings::default();
    settings.passes = copy.passes.get();
    settings.store_timeout = timeout;
    settings.dry_run = copy.dry_run.dry_run;
    let mut journal = match &copy.journal {
        // A dry run makes no file.
        Some(path) if !settings.dry_run || path.exists() => Journal::open(path)?,
        _ => Journal::in_memory(),
    };
    let progress = Progress::new(Some(from.stats(None).await?.active));
    // What was done is told too where it fails or is interrupted.
    let so_far = RefCell::new(Copied::default());
    let copying = copy_sessions(&from.store, &to.store, &settings, &mut journal, |copied| {
        let pass = if copied.passes == 1 { "copying" } else { "reading again" };
        progress.at(pass, copied.live);
        so_far.replace(copied.clone());
    });
    let work = async { copying.await.map_err(|error| Failure::of(&error)) };
    let outcome = unless_interrupted(work).await;
    drop(progress);
    match outcome {
        Ok(copied) => Ok(report(&copied, settings.dry_run, output)),
        Err(mut failure) => {
            failure.done = figures(&so_far.into_inner());
            Err(failure)
        }
    }
}

fn report(copied: &Copied, dry_run: bool, output: &mut Output) -> Exit {
    let Copied {
        live, verified, imported, updated, ended, used_there, ended_there, failed, ..
    } = copied;
    if dry_run {
        output.say(format_args!(
            "would copy {imported} of {live} live sessions, update {updated} and end {ended}; \
             {verified} are there already"
        ));
    } else {
        output.say(format_args!(
            "copied {}, updated {updated}, ended {ended}",
            text::sessions(*imported)
        ));
        output.say(format_args!("{live} are live at the source, {verified} of them at the target"));
    }
    if used_there + ended_there > 0 {
        output.say(format_args!(
            "{used_there} were used at the target since and {ended_there} ended there; they stay so"
        ));
    }
    for (id, kind) in &copied.failures {
        output.say(format_args!("not copied: {} ({kind:?})", shown_id(id, true)));
    }
    if *failed > copied.failures.len() as u64 {
        output.say(format_args!("not copied in all: {failed}"));
    }
    let is_complete = copied.is_settled();
    if !dry_run {
        output.say(match (is_complete, failed) {
            (true, _) => "complete: every live session is at the target",
            (false, 0) => {
                "not complete: the source kept changing; copy again when it is out of use"
            }
            (false, _) => "not complete: some sessions could not be copied",
        });
    }
    let mut object = figures(copied);
    object.insert("complete".into(), (is_complete && !dry_run).into());
    object.insert("dry_run".into(), dry_run.into());
    let failures = copied.failures.iter().map(
        |(id, kind)| json!({ "id": id.to_string(), "kind": format!("{kind:?}").to_lowercase() }),
    );
    object.insert("failures".into(), failures.collect());
    output.object(&object);
    if is_complete || (dry_run && *failed == 0) { Exit::Done } else { Exit::Found }
}

fn figures(copied: &Copied) -> Map<String, Value> {
    [
        ("passes", copied.passes.into()),
        ("live", copied.live),
        ("verified", copied.verified),
        ("copied", copied.imported),
        ("updated", copied.updated),
        ("ended", copied.ended),
        ("used_there", copied.used_there),
        ("ended_there", copied.ended_there),
        ("failed", copied.failed),
    ]
    .into_iter()
    .map(|(name, figure): (&str, u64)| (name.to_owned(), figure.into()))
    .collect()
}
