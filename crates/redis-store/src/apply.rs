//! Writes a change that is not one of those that [`edit`](crate::edit) writes, or met another state.

use tower_keep_core::{Applied, Change, SessionId, StoreError};

use crate::{
    error::unexpected,
    hash,
    keep::{ATTEMPTS, Keep, how, lifetime, origin, other, receipt, restless},
    key::digits,
    script::APPLY,
    servers::Command,
    users::Place,
};

impl Keep {
    /// Whatever the change and whatever it meets, as the server's script knows it.
    pub(crate) async fn apply_to_any(
        &self,
        id: &SessionId,
        key: &[u8],
        change: &Change,
    ) -> Result<Applied, StoreError> {
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

/// How many fields of the hash a change sets, apart from the state.
pub(crate) fn pairs_of(change: &Change) -> usize {
    let sets = change.edits.iter().filter(|(_, json)| json.is_some()).count();
    let remembers = change.remember == Some(true);
    sets + usize::from(change.user.is_some()) + usize::from(remembers)
}

/// Adds the names and values that a change sets, and the names that it removes.
pub(crate) fn edits(command: &mut Command, change: &Change) {
    let remembers = change.remember == Some(true);
    if let Some(user) = &change.user {
        command.arg("@user").arg(user.as_str());
    }
    if remembers {
        command.arg("@remember").arg("true");
    }
    for (name, json) in change.edits.iter() {
        if let Some(json) = json {
            command.arg(&*hash::field(name)).arg(json);
        }
    }
    if change.remember == Some(false) {
        command.arg("@remember");
    }
    for (name, json) in change.edits.iter() {
        // What a cleared session held is gone already.
        if json.is_none() && !change.clear {
            command.arg(&*hash::field(name));
        }
    }
}
