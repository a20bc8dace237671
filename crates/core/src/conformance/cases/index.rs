//! Finding sessions by user and by layer, and counting them.

use crate::{
    LayerName, Query, UserId,
    conformance::{
        failure::{Checked, ensure},
        trial::{Trial, sorted},
    },
};

pub(in crate::conformance) async fn sessions_are_found_by_user(trial: Trial) -> Checked {
    let mut expected = Vec::new();
    for user in ["ada", "bob", "ada", "ada"] {
        let (id, _) = trial.begin(&trial.of_user(user)).await?;
        if user == "ada" {
            expected.push(id);
        }
    }
    trial.begin(&trial.blank()).await?;
    let found = trial.ids_of(&trial.layer, "ada").await?;
    ensure!(
        found == sorted(expected),
        "exactly the user's sessions MUST be listed; {} of 3 were",
        found.len()
    );
    let nobody = trial.ids_of(&trial.layer, "nobody").await?;
    ensure!(nobody.is_empty(), "a user without sessions MUST have an empty list");
    Ok(())
}

pub(in crate::conformance) async fn sessions_are_found_by_layer(trial: Trial) -> Checked {
    let mut expected = Vec::new();
    for user in [None, Some("ada"), Some("bob")] {
        let mut new = trial.with(&[("a", "1")]);
        new.user = user.map(UserId::from);
        expected.push(trial.begin(&new).await?);
        new.layer = "elsewhere".into();
        trial.begin(&new).await?;
    }
    let listed = trial.list(Query::from(trial.layer.clone())).await?;
    ensure!(
        listed.len() == 3,
        "exactly a layer's sessions MUST be listed; {} of 3 were",
        listed.len()
    );
    for (id, record) in &expected {
        let found = listed.iter().find(|listed| listed.id == *id);
        ensure!(
            found.is_some_and(|listed| listed.record == *record),
            "a listing MUST show each session under its id with its whole record"
        );
    }
    let all = trial.list(Query::all()).await?;
    ensure!(all.len() == 6, "a query of all layers MUST list all; {} of 6 were", all.len());
    Ok(())
}

pub(in crate::conformance) async fn users_of_two_layers_are_strangers(trial: Trial) -> Checked {
    let (here, _) = trial.begin(&trial.of_user("ada")).await?;
    let mut new = trial.of_user("ada");
    new.layer = "elsewhere".into();
    let (there, _) = trial.begin(&new).await?;
    let found =
        [trial.ids_of(&trial.layer, "ada").await?, trial.ids_of(&"elsewhere".into(), "ada").await?];
    ensure!(
        found == [vec![here], vec![there]],
        "the users of two layers MUST be strangers even if they share a name"
    );
    Ok(())
}

pub(in crate::conformance) async fn user_without_a_layer_has_an_empty_page(
    trial: Trial,
) -> Checked {
    trial.begin(&trial.of_user("ada")).await?;
    let query = Query::all().of_user(UserId::from("ada"));
    let page = trial.index()?.list(&query).await?;
    ensure!(
        page.sessions.is_empty() && page.next.is_none(),
        "a user without a layer MUST have an empty page, since users of two layers are strangers"
    );
    Ok(())
}

pub(in crate::conformance) async fn users_and_layers_match_byte_for_byte(trial: Trial) -> Checked {
    let long = "u".repeat(UserId::MAX_BYTES);
    let almost = "u".repeat(UserId::MAX_BYTES - 1);
    let names = [
        "ada",
        "Ada",
        "ada ",
        " ada",
        "ad\u{e1}",
        "ada\u{301}",
        "a_a",
        "a%",
        "*",
        "a*",
        "[a]da",
        "'; --",
        "a:da",
        "a/da",
        "0",
        "00",
        "\u{1F3F0}",
        "\u{df}",
        "ss",
        &long,
        &almost,
    ];
    for name in names {
        trial.begin(&trial.of_user(name)).await?;
        // Layers have shorter names, and a colon must not make one of two parts.
        if name.len() < 40 {
            let mut new = trial.of_user("same");
            new.layer = format!("{}:{name}", trial.layer).as_str().into();
            trial.begin(&new).await?;
        }
    }
    for name in names {
        let found = trial.ids_of(&trial.layer, name).await?.len();
        ensure!(found == 1, "users MUST match byte for byte; {name:?} has {found} sessions of 1");
        if name.len() < 40 {
            let layer = LayerName::from(format!("{}:{name}", trial.layer).as_str());
            let found = trial.list(layer.into()).await?.len();
            ensure!(
                found == 1,
                "layers MUST match byte for byte; :{name:?} has {found} sessions of 1"
            );
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn parts_of_layer_and_user_do_not_mix(trial: Trial) -> Checked {
    for (layer, user) in [("a:b", "c"), ("a", "b:c"), ("a/b", "c"), ("a", "b/c"), ("ab", "c")] {
        let mut new = trial.of_user(user);
        new.layer = layer.into();
        let (id, _) = trial.begin(&new).await?;
        let found = trial.ids_of(&layer.into(), user).await?;
        ensure!(
            found == [id],
            "layer {layer:?} and user {user:?} MUST NOT read as other ones; {} sessions of 1",
            found.len()
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn listing_follows_every_change(trial: Trial) -> Checked {
    let (id, record) = trial.begin(&trial.blank()).await?;
    let ids = |user| trial.ids_of(&trial.layer, user);
    let mut change = trial.change(&record);
    change.user = Some(UserId::from("ada"));
    trial.apply(&id, &change).await?;
    ensure!(ids("ada").await? == [id], "apply that sets a user MUST list the session under it");

    let mut change = trial.set(&*trial.record(&id).await?, "a", "1");
    change.user = Some(UserId::from("bob"));
    let rotated = trial.id()?;
    trial.rotate(&id, &rotated, &change).await?;
    ensure!(ids("ada").await?.is_empty(), "a session MUST NOT stay listed under a former user");
    ensure!(ids("bob").await? == [rotated], "rotate MUST list the session under its new id alone");

    let listed = trial.list(trial.layer.clone().into()).await?;
    let record = trial.record(&rotated).await?;
    ensure!(
        listed.len() == 1 && listed[0].record == record,
        "a listing MUST show the record as it is now"
    );
    trial.store.delete(&rotated).await?;
    ensure!(ids("bob").await?.is_empty(), "a deleted session MUST NOT be listed");
    let listed = trial.list(trial.layer.clone().into()).await?;
    ensure!(listed.is_empty(), "a deleted session MUST NOT be listed in its layer");
    Ok(())
}

pub(in crate::conformance) async fn expired_sessions_are_not_listed(trial: Trial) -> Checked {
    let (kept, record) = trial.begin(&trial.of_user("ada")).await?;
    let mut short = trial.of_user("ada");
    short.lifetime = trial.short();
    trial.begin(&short).await?;
    let (prolonged, _) = trial.begin(&short).await?;
    trial.touch(&prolonged, &record, trial.long()).await?;
    trial.pass(5).await;
    let expected = sorted([kept, prolonged]);
    let found = trial.ids_of(&trial.layer, "ada").await?;
    ensure!(found == expected, "an expired session MUST NOT be listed, a prolonged one MUST");
    let listed = trial.list(trial.layer.clone().into()).await?;
    let listed = sorted(listed.iter().map(|listed| listed.id));
    ensure!(listed == expected, "an expired session MUST NOT be listed in its layer");
    let stats = trial.index()?.stats(Some(&trial.layer)).await?;
    ensure!(
        (stats.active, stats.signed_in) == (2, 2),
        "an expired session MUST NOT be counted; {stats:?} for two live ones"
    );
    Ok(())
}

pub(in crate::conformance) async fn stats_count_the_live_sessions(trial: Trial) -> Checked {
    let empty = trial.index()?.stats(Some(&trial.layer)).await?;
    ensure!(empty == crate::Stats::default(), "stats of nothing MUST be zero; {empty:?}");

    let (_, oldest) = trial.begin(&trial.of_user("ada")).await?;
    trial.pass(2).await;
    for user in ["ada", "bob"] {
        trial.begin(&trial.of_user(user)).await?;
    }
    trial.pass(2).await;
    let (deleted, _) = trial.begin(&trial.of_user("eve")).await?;
    let (_, newest) = trial.begin(&trial.blank()).await?;
    let mut elsewhere = trial.of_user("carol");
    elsewhere.layer = "elsewhere".into();
    trial.begin(&elsewhere).await?;
    trial.store.delete(&deleted).await?;

    let stats = trial.index()?.stats(Some(&trial.layer)).await?;
    ensure!(
        (stats.active, stats.signed_in, stats.users) == (4, 3, 2),
        "stats MUST count sessions, those with a user, and users; {stats:?} for 4, 3 and 2"
    );
    ensure!(
        (stats.oldest, stats.newest) == (Some(oldest.created_at), Some(newest.created_at)),
        "stats MUST tell when the oldest and the newest session began; {stats:?} for {} and {}",
        oldest.created_at,
        newest.created_at
    );
    let all = trial.index()?.stats(None).await?;
    ensure!(
        (all.active, all.signed_in, all.users) == (5, 4, 3),
        "stats of all layers MUST count all; {all:?} for 5, 4 and 3"
    );
    Ok(())
}
