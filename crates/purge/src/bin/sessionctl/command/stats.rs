//! Counts sessions and users.

use serde_json::json;

use crate::{
    arguments::Layer,
    exit::{Exit, Failure},
    output::Output,
    session::{json_time, shown_time},
    store::Opened,
};

pub(crate) async fn stats(
    store: &Opened,
    of: &Layer,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let stats = store.stats(of.layer.as_deref()).await?;
    let time = |time: Option<_>| time.map_or("-".into(), shown_time);
    output.say(format_args!("live       {}", stats.active));
    output.say(format_args!("signed in  {}", stats.signed_in));
    output.say(format_args!("users      {}", stats.users));
    output.say(format_args!("oldest     {}", time(stats.oldest)));
    output.say(format_args!("newest     {}", time(stats.newest)));
    output.object(&json!({
        "live": stats.active,
        "signed_in": stats.signed_in,
        "users": stats.users,
        "oldest_began_at": stats.oldest.and_then(json_time),
        "newest_began_at": stats.newest.and_then(json_time),
    }));
    Ok(Exit::Done)
}
