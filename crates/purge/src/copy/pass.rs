//! One way through the source: [`Pass`].

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tower_keep_core::{
    Applied, Created, Listed, Receipt, Record, SessionId, Store, StoreErrorKind, Touch, Touched,
};

use super::{
    Copied, CopyError, CopySettings, Journal,
    compare::{Verdict, compare, lifetime, update},
    figures::Outcome,
    journal::Known,
    reach::{Reach, Trouble},
};

/// A session that the source lacks may have expired there rather than ended if it has no longer to
/// live: two clocks are not exactly one.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(5);

/// One way through the source.
pub(super) struct Pass<'a, F: ?Sized, T: ?Sized> {
    pub(super) reach: &'a Reach<'a, F, T>,
    pub(super) settings: &'a CopySettings,
    pub(super) journal: &'a mut Journal,
    pub(super) copied: &'a mut Copied,
}

/// What became of a session, and how it is at the target now, if that is news.
type Done = (Outcome, Option<Known>);

impl<F: Store + ?Sized, T: Store + ?Sized> Pass<'_, F, T> {
    pub(super) async fn run(
        &mut self,
        progress: &mut impl FnMut(&Copied),
    ) -> Result<(), CopyError> {
        let mut next = None;
        loop {
            let page = self.reach.list(next, self.settings.batch).await?;
            self.copied.live += page.sessions.len() as u64;
            self.copy(page.sessions).await?;
            progress(self.copied);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        // A source without any session says nothing of what ended there: it was emptied, or is the
        // wrong one.
        if self.copied.live > 0 {
            self.end_what_ended().await?;
        }
        progress(self.copied);
        Ok(())
    }

    async fn copy(&mut self, sessions: Vec<Listed>) -> Result<(), CopyError> {
        let (reach, dry_run) = (self.reach, self.settings.dry_run);
        let sessions = sessions.into_iter().map(|Listed { id, record }| {
            let known = self.journal.get(&id);
            async move { (id, copy_one(reach, &id, &record, known, dry_run).await) }
        });
        // Collected first, since the closure above borrows the journal.
        let sessions: Vec<_> = sessions.collect();
        let done = stream::iter(sessions).buffer_unordered(self.settings.at_once.max(1));
        self.note(done.collect().await)
    }

    /// Ends at the target what this copy brought there and has ended at the source.
    async fn end_what_ended(&mut self) -> Result<(), CopyError> {
        let (reach, dry_run) = (self.reach, self.settings.dry_run);
        let unseen = self.journal.unseen(self.copied.passes);
        for batch in unseen.chunks(self.settings.batch.max(1)) {
            let sessions = batch
                .iter()
                .map(|(id, known)| async move { (*id, end_one(reach, id, *known, dry_run).await) });
            // Collected first, so that the futures are of one lifetime.
            let sessions: Vec<_> = sessions.collect();
            let done = stream::iter(sessions).buffer_unordered(self.settings.at_once.max(1));
            self.note(done.collect().await)?;
        }
        Ok(())
    }

    fn note(&mut self, done: Vec<(SessionId, Result<Done, Trouble>)>) -> Result<(), CopyError> {
        let (pass, dry_run) = (self.copied.passes, self.settings.dry_run);
        let mut failed = None;
        for (id, done) in done {
            let outcome = match done {
                Ok((outcome, Some(known))) if !dry_run => {
                    self.journal.note(id, known, pass);
                    outcome
                }
                Ok((outcome, _)) => {
                    self.journal.see(&id, pass);
                    outcome
                }
                Err(Trouble::Session(kind)) => Outcome::Failed(kind),
                // What else was done in this batch is noted all the same.
                Err(Trouble::Copy(error)) => {
                    failed.get_or_insert(error);
                    continue;
                }
            };
            if !dry_run && matches!(outcome, Outcome::Over | Outcome::Ended) {
                self.journal.forget(&id);
            }
            self.copied.add(id, outcome);
        }
        self.journal.flush()?;
        failed.map_or(Ok(()), Err)
    }
}

async fn copy_one<F: Store + ?Sized, T: Store + ?Sized>(
    reach: &Reach<'_, F, T>,
    id: &SessionId,
    here: &Record,
    known: Option<Known>,
    dry_run: bool,
) -> Result<Done, Trouble> {
    // What this copy never brought there is most likely not there.
    if known.is_none() && !dry_run {
        match reach.import(id, here).await? {
            Created::Created(receipt) => return Ok(imported(here, &receipt)),
            Created::Taken | Created::OverLimit => {}
        }
    }
    let Some(there) = reach.load_there(id).await? else {
        return bring_back(reach, id, known, dry_run).await;
    };
    let there = &*there.record;
    match compare(here, there, known) {
        Verdict::Same => Ok((Outcome::Same, known.is_none().then(|| Known::of(there)))),
        Verdict::UsedThere => Ok((Outcome::UsedThere, None)),
        Verdict::Touch if dry_run => Ok((Outcome::Touched, None)),
        Verdict::Update if dry_run => Ok((Outcome::Updated, None)),
        Verdict::Touch => {
            let lifetime = lifetime(here, there);
            let touch = Touch { created_at: there.created_at, lifetime };
            Ok(match reach.touch(id, touch).await? {
                Touched::Touched(receipt) => (Outcome::Touched, Some(Known::written(&receipt))),
                Touched::Gone => (Outcome::Contended, None),
            })
        }
        Verdict::Update => Ok(match reach.apply(id, &update(here, there)).await? {
            Applied::Applied(receipt) => (Outcome::Updated, Some(Known::written(&receipt))),
            Applied::Conflict(_) | Applied::Gone => (Outcome::Contended, None),
        }),
    }
}

/// What became of a session that the target took. It keeps none that has expired by its own clock:
/// where that is not a matter of moments, the two clocks disagree, and somebody would be logged out.
fn imported(here: &Record, receipt: &Receipt) -> Done {
    if !here.is_expired(receipt.at) {
        (Outcome::Imported, Some(Known::of(here)))
    } else if here.expires_at + CLOCKS_DIFFER_BY > receipt.at {
        (Outcome::Over, None)
    } else {
        (Outcome::Failed(StoreErrorKind::Misconfigured), None)
    }
}

/// Imports a session that the target lacks, unless it ended there after it was copied.
async fn bring_back<F: Store + ?Sized, T: Store + ?Sized>(
    reach: &Reach<'_, F, T>,
    id: &SessionId,
    known: Option<Known>,
    dry_run: bool,
) -> Result<Done, Trouble> {
    let Some(here) = reach.load_here(id).await? else { return Ok((Outcome::Contended, None)) };
    // If it would still live there, somebody ended it; else it expired because only the source was
    // used.
    if known.is_some_and(|known| known.expires_at > here.at + CLOCKS_DIFFER_BY) {
        return Ok((Outcome::EndedThere, None));
    }
    if dry_run {
        return Ok((Outcome::Imported, None));
    }
    Ok(match reach.import(id, &here.record).await? {
        Created::Created(receipt) => imported(&here.record, &receipt),
        Created::Taken | Created::OverLimit => (Outcome::Contended, None),
    })
}

async fn end_one<F: Store + ?Sized, T: Store + ?Sized>(
    reach: &Reach<'_, F, T>,
    id: &SessionId,
    known: Known,
    dry_run: bool,
) -> Result<Done, Trouble> {
    // A listing may miss what began meanwhile.
    if reach.load_here(id).await?.is_some() {
        return Ok((Outcome::Contended, None));
    }
    let Some(there) = reach.load_there(id).await? else { return Ok((Outcome::Over, None)) };
    if known.was_used(&there.record) {
        return Ok((Outcome::Over, None));
    }
    if there.record.expires_at <= there.at + CLOCKS_DIFFER_BY {
        return Ok((Outcome::Over, None));
    }
    if !dry_run {
        reach.end_there(id).await?;
    }
    Ok((Outcome::Ended, None))
}
