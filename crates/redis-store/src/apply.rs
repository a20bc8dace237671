//! Writes a change: by a short script if it is plain, else by the one that takes any change to any state.

use tower_keep_core::{Applied, Change, SessionId, StoreError};

use crate::{
    edits::{edits, pairs_of},
    error::unexpected,
    keep::{ATTEMPTS, Keep, how, lifetime, origin, other, rarely, receipt, restless},
    key::digits,
    script::APPLY,
    servers::Command,
    users::Place,
};

impl Keep {
    pub(crate) async fn apply(
        &self,
        id: &SessionId,
        change: &Change,
    ) -> Result<Applied, StoreError> {
        let key = self.keys.session(id);
        match self.apply_plain(id, &key, change).await? {
            Some(applied) => Ok(applied),
            None => rarely(self.apply_to_any(id, &key, change)).await,
        }
    }

    /// Whatever the change, and whatever it meets.
    async fn apply_to_any(
        &self,
        id: &SessionId,
        key: &[u8],
        change: &Change,
    ) -> Result<Applied, StoreError> {
        self.cache.forget(id);
        let mut raised = 0;
        let mut former = None;
        for _ in 0..ATTEMPTS {
            if let Some(user) = &change.user {
                let Some(live) = self.live(id).await? else { return Ok(Applied::Gone) };
                let record = &live.record;
                if !change.fits(record.version) {
                    return Ok(Applied::Conflict(live));
                }
                let place = Place {
                    layer: &record.layer,
                    user,
                    id,
                    replaces: None,
                    created_at: (!change.restart).then_some(record.created_at),
                    lifetime: change.lifetime,
                };
                raised = self.place(&place).await?;
                former = record
                    .user
                    .as_ref()
                    .filter(|former| *former != user)
                    .map(|user| self.keys.user(&record.layer, user));
            }
            let answer = self.link.call(&APPLY, self.change(key, change, raised)).await?;
            match answer.how {
                how::DONE => {
                    if let Some(former) = former {
                        self.release(&former, &[digits(id)]).await;
                    }
                    return Ok(Applied::Applied(receipt(&answer, 0)?));
                }
                how::OTHER => return Ok(Applied::Conflict(other(id, &answer)?)),
                how::GONE => return Ok(Applied::Gone),
                how::TOO_FAR if change.user.is_some() => {}
                how::TOO_FAR => match self.raise(id, change.lifetime, change.restart).await? {
                    Some(reach) => raised = reach,
                    None => return Ok(Applied::Gone),
                },
                how::ARRIVING if self.settle(id, &origin(&answer)?).await? => {}
                how::ARRIVING => return Ok(Applied::Gone),
                _ => return Err(unexpected()),
            }
        }
        Err(restless())
    }

    fn change(&self, key: &[u8], change: &Change, raised: i64) -> Command {
        let mut command = APPLY.on(key);
        command.number(self.link.shift());
        lifetime(&mut command, change.lifetime);
        command.number(raised);
        command.arg(match (change.clear, change.exact) {
            (true, _) => "clear",
            (false, true) => "bound",
            (false, false) => "merge",
        });
        command.arg(if change.restart { "restart" } else { "" });
        command.arg(if change.user.is_some() { "user" } else { "" });
        command.number(change.base_version).number(change.base_version.saturating_add(1));
        command.number(10 + 2 * pairs_of(change));
        edits(&mut command, change);
        command
    }
}
