//! The capabilities of the store, and listing all pages.

use super::Trial;
use crate::{
    Check, Import, Index, LayerName, Listed, Purge, Query, SessionId, Sweep, UserId,
    conformance::failure::{Checked, Failure, ensure},
};

/// Capabilities, which [`Case::run`](crate::conformance::Case::run) has made sure of.
impl Trial {
    pub(in crate::conformance) fn index(&self) -> Checked<&dyn Index> {
        self.store.index().ok_or_else(|| missing("index"))
    }

    pub(in crate::conformance) fn sweep(&self) -> Checked<&dyn Sweep> {
        self.store.sweep().ok_or_else(|| missing("sweep"))
    }

    pub(in crate::conformance) fn purge(&self) -> Checked<&dyn Purge> {
        self.store.purge().ok_or_else(|| missing("purge"))
    }

    pub(in crate::conformance) fn import(&self) -> Checked<&dyn Import> {
        self.store.import().ok_or_else(|| missing("import"))
    }

    pub(in crate::conformance) fn check(&self) -> Checked<&dyn Check> {
        self.store.check().ok_or_else(|| missing("check"))
    }

    /// All sessions that a query asks for, page by page.
    pub(in crate::conformance) async fn list(&self, query: Query) -> Checked<Vec<Listed>> {
        let mut all = Vec::new();
        let mut query = query;
        for _ in 0..10_000 {
            let page = self.index()?.list(&query).await?;
            ensure!(
                page.sessions.len() <= query.limit,
                "a page MUST hold at most {} sessions; it holds {}",
                query.limit,
                page.sessions.len()
            );
            all.extend(page.sessions);
            match page.next {
                None => return Ok(all),
                next => query = query.after(next),
            }
        }
        Err(Failure::new("a listing MUST end; after 10000 pages there was a next one"))
    }

    /// The ids of a user's sessions in the order of the ids.
    pub(in crate::conformance) async fn ids_of(
        &self,
        layer: &LayerName,
        user: &str,
    ) -> Checked<Vec<SessionId>> {
        let query = Query::from(layer.clone()).of_user(UserId::from(user));
        Ok(sorted(self.list(query).await?.iter().map(|listed| listed.id)))
    }
}

pub(in crate::conformance) fn sorted(ids: impl IntoIterator<Item = SessionId>) -> Vec<SessionId> {
    let mut ids: Vec<SessionId> = ids.into_iter().collect();
    ids.sort();
    ids
}

fn missing(capability: &str) -> Failure {
    Failure::new(format!("{capability}() MUST give the same answer each time"))
}
