//! Listing page by page.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    Cursor, Query, SessionId, UserId,
    conformance::{
        Failure,
        failure::{Checked, ensure},
        trial::{Trial, sorted},
    },
};

/// Sessions of one user, in the order of their ids.
async fn several(trial: &Trial, count: usize) -> Checked<Vec<SessionId>> {
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        ids.push(trial.begin(&trial.of_user("ada")).await?.0);
    }
    Ok(sorted(ids))
}

/// The queries that list exactly the sessions of [`several`].
fn queries(trial: &Trial) -> [Query; 3] {
    let layer = Query::from(trial.layer.clone());
    let user = layer.clone().of_user(UserId::from("ada"));
    [layer, user, Query::all()]
}

pub(in crate::conformance) async fn pages_of_any_size_cover_each_session_once(
    trial: Trial,
) -> Checked {
    let expected = several(&trial, 13).await?;
    for query in queries(&trial) {
        for limit in [1, 2, 3, 5, 12, 13, 14, 1_000, usize::MAX] {
            let listed = trial.list(query.clone().with_limit(limit)).await?;
            let listed = sorted(listed.iter().map(|listed| listed.id));
            ensure!(
                listed == expected,
                "pages of {limit} MUST cover each session exactly once; {} listed of 13",
                listed.len()
            );
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn cursor_survives_as_text(trial: Trial) -> Checked {
    let expected = several(&trial, 5).await?;
    for query in queries(&trial) {
        let mut found = Vec::new();
        let mut query = query.with_limit(2);
        for _ in 0..100 {
            let page = trial.index()?.list(&query).await?;
            found.extend(page.sessions.iter().map(|listed| listed.id));
            let Some(next) = page.next else { break };
            query = query.after(Some(Cursor::new(next.as_str().to_owned())));
        }
        ensure!(sorted(found) == expected, "a cursor MUST work after its text went through a URL");
    }
    Ok(())
}

pub(in crate::conformance) async fn pages_go_on_where_sessions_were_removed(
    trial: Trial,
) -> Checked {
    for place in 0..3 {
        let expected = several(&trial, 9).await?;
        let mut found = Vec::new();
        let mut query = queries(&trial)[place].clone().with_limit(2);
        for _ in 0..100 {
            let page = trial.index()?.list(&query).await?;
            for listed in &page.sessions {
                found.push(listed.id);
                trial.store.delete(&listed.id).await?;
            }
            if page.next.is_none() {
                break;
            }
            query = query.after(page.next);
        }
        ensure!(
            sorted(found.clone()) == expected,
            "revoking the sessions of a page MUST NOT make the next one skip any; {} listed of 9",
            found.len()
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn pages_cover_each_session_once_while_others_come_and_go(
    trial: Trial,
) -> Checked {
    let expected = several(&trial, 20).await?;
    let over = Arc::new(AtomicBool::new(false));
    let churning: Vec<_> = (0..2)
        .map(|_| {
            let (trial, over) = (trial.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    let (id, _) = trial.begin(&trial.of_user("ada")).await?;
                    tokio::task::yield_now().await;
                    trial.store.delete(&id).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    let covered = cover(&trial, &expected).await;
    over.store(true, Ordering::SeqCst);
    for task in churning {
        task.await.map_err(|error| Failure::new(error.to_string()))??;
    }
    covered
}

async fn cover(trial: &Trial, expected: &[SessionId]) -> Checked {
    for query in queries(trial) {
        for limit in [1, 3, 7] {
            let listed = trial.list(query.clone().with_limit(limit)).await?;
            for id in expected {
                let times = listed.iter().filter(|listed| listed.id == *id).count();
                ensure!(
                    times == 1,
                    "a session that lives throughout a listing MUST appear exactly once; {times} times"
                );
            }
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn foreign_cursor_shows_no_foreign_session(
    trial: Trial,
) -> Checked {
    let mine = several(&trial, 4).await?;
    let mut other = trial.of_user("eve");
    other.layer = "elsewhere".into();
    for _ in 0..4 {
        trial.begin(&other).await?;
    }
    let eve = Query::new("elsewhere").of_user(UserId::from("eve")).with_limit(1);
    let foreign = trial.index()?.list(&eve).await?.next;
    ensure!(foreign.is_some(), "a page that is not the last MUST have a next one");
    let garbage = ["", "0", "-1", "\0", "../..", "%", "'; --", "zz", "18446744073709551616"];
    let garbage = garbage.map(|text| Some(Cursor::new(text)));
    for cursor in garbage.into_iter().chain([foreign]) {
        let query = queries(&trial)[1].clone().after(cursor);
        // Whether such a cursor is refused, or means some place, is the store's choice.
        if let Ok(page) = trial.index()?.list(&query).await {
            ensure!(
                page.sessions.iter().all(|listed| mine.contains(&listed.id)),
                "no cursor MUST open another user's sessions"
            );
        }
    }
    let listed = trial.list(queries(&trial)[1].clone()).await?;
    ensure!(listed.len() == 4, "a bad cursor MUST leave the index working");
    Ok(())
}

pub(in crate::conformance) async fn cursor_of_another_store_gives_an_empty_page(
    trial: Trial,
) -> Checked {
    several(&trial, 3).await?;
    for text in ["a cursor of no store at all", "\u{1F3F0}", "; DROP TABLE sessions"] {
        for query in queries(&trial) {
            let query = query.after(Some(Cursor::new(text)));
            let page = trial.index()?.list(&query).await?;
            ensure!(
                page.sessions.is_empty() && page.next.is_none(),
                "a cursor of another store MUST give an empty page; {text:?} gave {} sessions",
                page.sessions.len()
            );
        }
    }
    Ok(())
}
