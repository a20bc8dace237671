//! What others left in the middle of a rotation, and how it ends.

use tower_keep_core::{SessionId, StoreError};

use crate::{
    error::unexpected,
    hash,
    keep::{Keep, how, origin},
    key::digits,
    link::Answer,
    script::{FORGET, SETTLE},
    servers::Command,
};

impl Keep {
    /// Finds out whether a record that comes from another id has arrived, and says so in its hash.
    ///
    /// Returns whether it is worth looking again: if not, the other id has not let go, or never will.
    pub(crate) async fn settle(
        &self,
        id: &SessionId,
        from: &SessionId,
    ) -> Result<bool, StoreError> {
        let mut moved = Command::new("HGET");
        moved.arg(self.keys.session(from)).arg("@moved");
        let to = self.link.send(&moved).await?;
        if hash::text(&to).is_ok_and(|to| to == digits(id)) {
            self.finish(from, id).await?;
            return Ok(true);
        }
        // Another may have settled it, and cleared the mark of its departure, in between.
        let mut arriving = Command::new("HGET");
        arriving.arg(self.keys.session(id)).arg("@arriving");
        let arriving = self.link.send(&arriving).await?;
        Ok(!hash::text(&arriving).is_ok_and(|text| text.starts_with(&digits(from))))
    }

    /// Ends a rotation whose old id has let go: the record is there by itself, the mark goes.
    pub(crate) async fn finish(&self, old: &SessionId, new: &SessionId) -> Result<(), StoreError> {
        let mut settle = SETTLE.on(&self.keys.session(new));
        settle.number(self.link.shift()).arg(digits(old));
        self.link.call(&SETTLE, settle).await?;
        let mut forget = FORGET.on(&self.keys.session(old));
        forget.number(self.link.shift()).arg(digits(new));
        self.link.call(&FORGET, forget).await.map(drop)
    }

    /// Clears what a rotation left under an id that is to be made; `false` if a session may live there.
    pub(crate) async fn clear_way(
        &self,
        id: &SessionId,
        answer: &Answer,
    ) -> Result<bool, StoreError> {
        match answer.how {
            how::ARRIVING => self.settle(id, &origin(answer)?).await,
            how::MOVED => {
                let to = answer.text(0)?.parse().map_err(|_| unexpected())?;
                self.finish(id, &to).await?;
                Ok(true)
            }
            _ => Err(unexpected()),
        }
    }
}
