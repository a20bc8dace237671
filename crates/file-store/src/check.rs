//! Looks for what is damaged, orphaned or left over.

use std::sync::Arc;

use tower_keep_core::{Checked, Problem, ProblemKind, SessionId, StoreError};

use crate::{
    format::is_ours,
    keep::Keep,
    layout::{
        DAMAGED, Shards, TEMPORARY, USERS, UserKey, folder_of, join, parse_folder, temporary,
    },
    step::{State, Step},
};

impl Keep {
    /// What seems to be wrong is looked at again under its lock, since writers may be at work on it.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        let (folders, foreign) = self.read(|step| step.survey()).await?;
        checked.problems.extend(foreign);
        for folder in folders {
            let looked = self.read(move |step| step.look_through(&folder)).await?;
            checked.sessions += looked.whole;
            checked.problems.extend(looked.foreign);
            for id in looked.suspects {
                let problem = self.write(Shards::of([id]), move |step| step.judge(&id)).await?;
                checked.sessions += u64::from(problem.is_none());
                checked.problems.extend(problem);
            }
        }
        for shard in self.read(|step| step.shards_with_leftovers()).await? {
            let left = self.write(Shards::one(shard), move |step| step.is_left(shard)).await?;
            let place = self.place(&temporary(shard));
            checked.problems.extend(left.then(|| Problem::new(ProblemKind::Leftover, place)));
        }
        for name in self.read(|step| step.list(DAMAGED)).await? {
            let place = self.place(&join(DAMAGED, &name));
            checked.problems.push(Problem::new(ProblemKind::SetAside, place));
        }
        for folder in self.read(|step| step.list(USERS)).await? {
            for (key, id) in self.read(move |step| step.orphans_in(&folder)).await? {
                let owned = self.write(Shards::of([id]), move |step| step.is_owned(key, &id));
                if !owned.await? {
                    let place = self.place(&key.marker(&id));
                    checked.problems.push(Problem::new(ProblemKind::Orphaned, place));
                }
            }
        }
        Ok(checked)
    }

    fn place(&self, path: &str) -> String {
        self.directory.join(path).display().to_string()
    }
}

/// What was found in a folder of sessions.
#[derive(Default)]
struct Looked {
    whole: u64,
    suspects: Vec<SessionId>,
    foreign: Vec<Problem>,
}

impl Step<'_> {
    /// The folders of sessions, and what lies beside them.
    fn survey(&self) -> Result<(Vec<String>, Vec<Problem>), StoreError> {
        self.confirm()?;
        let mut foreign = Vec::new();
        let fan_out = self.keep.fan_out;
        if fan_out > 0 {
            foreign.extend(self.foreign_in("", |name| parse_folder(name).is_some())?);
        }
        if fan_out > 1 {
            for folder in self.list("")?.iter().filter(|name| parse_folder(name).is_some()) {
                foreign.extend(self.foreign_in(folder, |name| parse_folder(name).is_some())?);
            }
        }
        Ok((self.folders()?, foreign))
    }

    fn foreign_in(
        &self,
        folder: &str,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<Vec<Problem>, StoreError> {
        let names = self.list(folder)?.into_iter();
        let foreign = names.filter(|name| !name.starts_with('.') && !is_ours(name));
        let place = |name: String| self.keep.place(&join(folder, &name));
        Ok(foreign.map(|name| Problem::new(ProblemKind::Foreign, place(name))).collect())
    }

    fn look_through(&self, folder: &str) -> Result<Looked, StoreError> {
        let fan_out = self.keep.fan_out;
        let is_session = |name: &str| {
            name.parse::<SessionId>().is_ok_and(|id| folder_of(&id, fan_out) == folder)
        };
        let mut looked =
            Looked { foreign: self.foreign_in(folder, is_session)?, ..Looked::default() };
        let now = self.keep.now();
        for id in self.sessions_in(folder)? {
            match self.find(&id, now)? {
                State::Live(entry) if self.is_marked(&id, UserKey::of(&entry.record))? => {
                    looked.whole += 1;
                }
                State::Live(_) | State::Damaged(_) => looked.suspects.push(id),
                State::Expired(_) | State::Missing => {}
            }
        }
        Ok(looked)
    }

    /// Looks at a session that seems not to be as it should be. Hold its shard.
    fn judge(&self, id: &SessionId) -> Result<Option<Problem>, StoreError> {
        let path = self.path(id);
        let kind = match self.find(id, self.keep.now())? {
            State::Live(entry) => {
                let marked = self.is_marked(id, UserKey::of(&entry.record))?;
                (!marked).then_some(ProblemKind::Orphaned)
            }
            State::Damaged(_) => {
                let foreign = self.start(&path, 32)?.is_some_and(|(start, _)| !is_ours(&start));
                Some(if foreign { ProblemKind::Foreign } else { ProblemKind::Damaged })
            }
            State::Expired(_) | State::Missing => None,
        };
        Ok(kind.map(|kind| Problem::new(kind, self.keep.place(&path))))
    }

    fn is_marked(&self, id: &SessionId, key: Option<UserKey>) -> Result<bool, StoreError> {
        match key {
            Some(key) => Ok(self.start(&key.marker(id), 0)?.is_some()),
            None => Ok(true),
        }
    }

    fn is_left(&self, shard: u8) -> Result<bool, StoreError> {
        Ok(self.list(TEMPORARY)?.contains(&format!("{shard:02x}")))
    }
}
