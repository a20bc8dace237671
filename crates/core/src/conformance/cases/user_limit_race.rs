//! The limit of a user's sessions when many sign in at once.

use crate::{
    Created, OverLimit, Rotated, UserId, UserLimit,
    conformance::{
        Failure,
        failure::{Checked, ensure},
        trial::Trial,
    },
};

const LOGINS: u32 = 16;
const LIMIT: u32 = 4;

/// How one sign-in ended: with so many evictions, or refused.
type Login = Option<u32>;

/// Sixteen sign-ins of one user at once, half by create and half by rotation.
async fn sign_in_at_once(trial: &Trial, user: &str, over: OverLimit) -> Checked<Vec<Login>> {
    let logins = (0..LOGINS).map(|login| {
        let (trial, user) = (trial.clone(), UserId::from(user));
        async move {
            let limit = Some(UserLimit::new(LIMIT, over));
            let new = trial.id()?;
            if login % 2 == 0 {
                let mut record = trial.blank();
                record.user = Some(user);
                record.user_limit = limit;
                return match trial.store.create(&new, record).await? {
                    Created::Created(receipt) => Ok(Some(receipt.evicted)),
                    Created::OverLimit => Ok(None),
                    Created::Taken => Err(Failure::new("a fresh id MUST NOT be taken")),
                };
            }
            let (old, record) = trial.begin(&trial.blank()).await?;
            let mut change = trial.change(&record);
            change.restart = true;
            change.user = Some(user);
            change.user_limit = limit;
            match trial.store.rotate(&old, &new, &change).await? {
                Rotated::Rotated(receipt) => Ok(Some(receipt.evicted)),
                Rotated::OverLimit => {
                    trial.record(&old).await?;
                    Ok(None)
                }
                other => Err(Failure::new(format!(
                    "rotate MUST answer Rotated or OverLimit here; it answered {other:?}"
                ))),
            }
        }
    });
    trial.together(logins).await
}

pub(in crate::conformance) async fn limit_that_refuses_is_exact_under_concurrent_logins(
    trial: Trial,
) -> Checked {
    for round in 0..10 {
        let user = format!("user {round}");
        let logins = sign_in_at_once(&trial, &user, OverLimit::Refuse).await?;
        let let_in = logins.iter().flatten().count();
        let live = trial.ids_of(&trial.layer, &user).await?.len();
        ensure!(
            (let_in, live) == (4, 4),
            "of 16 sign-ins at once exactly 4 MUST get in where 4 may; {let_in} did, {live} are live"
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn limit_that_evicts_is_exact_under_concurrent_logins(
    trial: Trial,
) -> Checked {
    for round in 0..10 {
        let user = format!("user {round}");
        let logins = sign_in_at_once(&trial, &user, OverLimit::EvictOldest).await?;
        let let_in = logins.iter().flatten().count();
        let evicted: u32 = logins.iter().flatten().sum();
        let live = trial.ids_of(&trial.layer, &user).await?.len();
        ensure!(
            (let_in, live, evicted) == (16, 4, 12),
            "of 16 sign-ins at once all MUST get in and 4 stay; {let_in} got in, {live} are live, \
             {evicted} were evicted"
        );
    }
    Ok(())
}
