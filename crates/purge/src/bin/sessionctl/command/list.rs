//! Lists sessions.

use tower_keep_core::{Listed, Query};

use crate::{
    arguments::{Layer, List},
    exit::{Exit, Failure},
    output::Output,
    session::{Shown, TITLES, aligned},
    store::{Opened, PAGE},
};

/// The query for the sessions of a layer, a user or all.
pub(super) fn query(of: &Layer, user: Option<&str>) -> Query {
    let query = of.layer.as_deref().map_or_else(Query::all, Query::new).with_limit(PAGE);
    match user {
        Some(user) => query.of_user(user.into()),
        None => query,
    }
}

pub(crate) async fn list(
    store: &Opened,
    list: &List,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let query = query(&list.of, list.user.as_deref());
    let most = list.limit.map_or(u64::MAX, |limit| limit.get().into());
    let mut widths = [0; TITLES.len()];
    let (mut listed, mut next) = (0, None);
    loop {
        let page = match store.page(&query, next).await {
            Ok(page) => page,
            Err(failure) => return Err(cut_short(failure, listed, output)),
        };
        let left = usize::try_from(most - listed).unwrap_or(usize::MAX);
        let sessions = &page.sessions[..page.sessions.len().min(left)];
        print(sessions, list, listed, &mut widths, output);
        listed += sessions.len() as u64;
        next = page.next;
        output.flush();
        if next.is_none() || listed >= most || output.is_closed() {
            break;
        }
    }
    if listed == 0 {
        output.say("no sessions");
        output.raw_json("{\"sessions\":[");
    }
    output.raw_json(&format!("],\"listed\":{listed}}}\n"));
    Ok(Exit::Done)
}

fn print(
    sessions: &[Listed],
    list: &List,
    before: u64,
    widths: &mut [usize; TITLES.len()],
    output: &mut Output,
) {
    let sessions = sessions.iter().map(|listed| {
        let Listed { id, record } = listed;
        Shown { id: *id, record, data: list.data }
    });
    let sessions: Vec<Shown<'_>> = sessions.collect();
    for (place, session) in sessions.iter().enumerate() {
        let is_first = before == 0 && place == 0;
        output.raw_json(if is_first { "{\"sessions\":[" } else { "," });
        output.json(session);
    }
    if output.is_json || sessions.is_empty() {
        return;
    }
    let titles = (before == 0).then(|| TITLES.map(String::from));
    let rows: Vec<_> = titles
        .iter()
        .cloned()
        .chain(sessions.iter().map(|session| session.cells(list.ids.full)))
        .collect();
    let mut lines = aligned(&rows, widths).into_iter();
    titles.and_then(|_| lines.next()).into_iter().for_each(|titles| output.say(titles));
    for (line, session) in lines.zip(&sessions) {
        output.say(line);
        session.data_lines().for_each(|line| output.say(line));
    }
}

/// Ends the JSON object that was begun, so that it is one whole object with the error in it.
fn cut_short(failure: Failure, listed: u64, output: &mut Output) -> Failure {
    if listed > 0 {
        output.raw_json("],");
        output.is_begun = true;
    }
    failure.after("listed", listed)
}
