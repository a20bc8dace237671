//! Takes every live session to another store: [`copy_sessions`].

mod compare;
mod error;
mod figures;
mod journal;
mod pass;
mod reach;

use std::time::Duration;

use tower_keep_core::Store;

pub use error::{CopyError, CopyErrorKind};
pub use figures::Copied;
pub use journal::Journal;
use pass::Pass;
use reach::Reach;

/// How sessions are copied.
///
/// ```
/// use tower_keep_purge::CopySettings;
///
/// let mut settings = CopySettings::default();
/// settings.dry_run = true;
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CopySettings {
    /// How many sessions are listed at once: 200 unless told.
    pub batch: usize,
    /// How many sessions are under way at once: 16 unless told.
    pub at_once: usize,
    /// How often the source is gone through until a whole pass finds nothing to do: 5 times at most
    /// unless told, and at least twice, since the second pass is what reads everything again.
    pub passes: u32,
    /// How long one call of a store may take: 30 seconds unless told.
    pub store_timeout: Duration,
    /// Whether only to look what there is to copy: no unless told.
    pub dry_run: bool,
}

impl Default for CopySettings {
    fn default() -> Self {
        Self {
            batch: 200,
            at_once: 16,
            passes: 5,
            store_timeout: Duration::from_secs(30),
            dry_run: false,
        }
    }
}

/// Takes every live session of one store to another, ids and times kept, so that nobody is logged
/// out. The source is only read.
///
/// It goes through the source until a whole pass finds every session at the target as it is at the
/// source, by reading it there, and nothing left to do; `progress` is told of each batch.
///
/// # What is promised
///
/// Nothing is half done: each session is imported by one operation of the target, so that a copy
/// which was interrupted, killed too, goes on where it is run again.
///
/// While the **source is in use**: sessions that begin, change or are touched there meanwhile are
/// brought over by the next pass; one that ends there is ended at the target too. Where the source
/// is never still for a whole pass the copy is not [settled](Copied::is_settled): run it again when
/// the source is out of use, which takes one short pass over what is there already.
///
/// While the **target is in use**: what was used there is never overwritten, nor brought back if it
/// ended there. The journal is how that is known. One that is kept [in a file](Journal::open) knows it
/// in later runs too, and what has ended at the source between them. Without it, a later run takes
/// the state that was used later or changed more often for the newer one, brings back what has ended
/// at the target alone, and leaves what has ended at the source alone.
///
/// While **both are in use** for the same session, that session goes its own way in each, and what
/// the target holds stays. Let only one of them take requests: the source until a copy has settled,
/// the target from then on.
///
/// # Errors
///
/// If a store cannot do it or fails for good. What one session alone suffers from, such as being
/// damaged, is no error; it is counted as [failed](Copied::failed).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # use tower_keep_memory_store::MemoryStore;
/// use tower_keep_purge::{CopySettings, Journal, copy_sessions};
///
/// let (from, to) = (MemoryStore::new(), MemoryStore::new());
/// let mut journal = Journal::in_memory();
/// let copied = copy_sessions(&from, &to, &CopySettings::default(), &mut journal, |_| {}).await?;
/// assert!(copied.is_settled());
/// # Ok::<(), tower_keep_purge::CopyError>(()) }).unwrap();
/// ```
pub async fn copy_sessions<F: Store + ?Sized, T: Store + ?Sized>(
    from: &F,
    to: &T,
    settings: &CopySettings,
    journal: &mut Journal,
    mut progress: impl FnMut(&Copied),
) -> Result<Copied, CopyError> {
    let reach = Reach::new(from, to, settings)?;
    let mut copied = Copied::default();
    loop {
        copied.begin_pass();
        let mut pass =
            Pass { reach: &reach, settings, journal: &mut *journal, copied: &mut copied };
        pass.run(&mut progress).await?;
        let is_over = copied.is_settled() || copied.passes >= settings.passes.max(2);
        if settings.dry_run || is_over {
            return Ok(copied);
        }
    }
}
