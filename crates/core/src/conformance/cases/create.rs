//! Creating and loading sessions.

use std::{net::IpAddr, net::Ipv6Addr, sync::Arc};

use crate::{
    Client, Created, SessionId, UserId,
    conformance::{
        failure::{Checked, Failure, ensure, ensure_answer},
        trial::Trial,
    },
};

pub(in crate::conformance) async fn new_session_comes_back_with_all_its_parts(
    trial: Trial,
) -> Checked {
    let agents = ["", "Firefox/145 (X11; \"quoted\")", "wéird\u{1F3F0}'; --"];
    let addresses: [IpAddr; 3] = [
        [127, 0, 0, 1].into(),
        Ipv6Addr::LOCALHOST.into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    ];
    for (agent, address) in agents.into_iter().zip(addresses) {
        let mut new = trial.with(&[("cart", "[1,2]"), ("visits", "3")]);
        new.user = Some(UserId::from("ada"));
        new.client = Some(Client::new().with_address(address).with_agent(agent));
        new.remember = true;
        let id = trial.id()?;
        let receipt = trial.create(&id, &new).await?;
        let record = trial.record(&id).await?;
        let clause = "load MUST give back what create was given";
        trial.ensure_record(&record, &new.at(receipt.at), clause)?;
        ensure!(
            (receipt.version, receipt.expires_at, receipt.evicted)
                == (record.version, record.expires_at, 0),
            "the receipt of create MUST be that of the record; it is {receipt:?} of {record:?}"
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn new_session_without_parts_comes_back_without(
    trial: Trial,
) -> Checked {
    let new = trial.blank();
    let id = trial.id()?;
    let receipt = trial.create(&id, &new).await?;
    let clause = "load MUST add nothing to what create was given";
    trial.ensure_about(&id, &new.at(receipt.at), clause).await
}

pub(in crate::conformance) async fn missing_session_loads_as_none(trial: Trial) -> Checked {
    trial.begin(&trial.blank()).await?;
    let clause = "a missing session MUST load as None";
    trial.ensure_absent(&trial.id()?, clause).await
}

pub(in crate::conformance) async fn load_writes_nothing(trial: Trial) -> Checked {
    let (id, before) = trial.begin(&trial.with(&[("a", "1")])).await?;
    trial.pass(2).await;
    for _ in 0..3 {
        let clause = "load MUST NOT write: version, last_active and expiry stay";
        trial.ensure_same(&id, &before, clause).await?;
    }
    let Some(loaded) = trial.load(&id).await? else {
        return Err(Failure::new("a live session MUST load"));
    };
    ensure!(
        loaded.at.since(before.created_at) + trial.tick() >= trial.ticks(2),
        "Loaded.at MUST be the time of the reading; it is {} for a session of {} after two ticks",
        loaded.at,
        before.created_at
    );
    Ok(())
}

pub(in crate::conformance) async fn create_on_a_taken_id_changes_nothing(trial: Trial) -> Checked {
    let (id, before) = trial.begin(&trial.with(&[("owner", "1")])).await?;
    let mut intruder = trial.with(&[("owner", "2"), ("more", "3")]);
    intruder.user = Some(UserId::from("eve"));
    intruder.remember = true;
    ensure_answer!(
        trial.store.create(&id, intruder).await?,
        Created::Taken,
        "create MUST answer Taken where a live record has the id"
    );
    let clause = "create MUST leave a live record as it is";
    trial.ensure_same(&id, &before, clause).await
}

pub(in crate::conformance) async fn create_on_the_id_of_an_expired_session_works(
    trial: Trial,
) -> Checked {
    let mut old = trial.with(&[("old", "1"), ("both", "1")]);
    old.user = Some(UserId::from("ada"));
    let (id, _) = trial.expired(old).await?;
    let new = trial.with(&[("both", "2")]);
    let receipt = trial.create(&id, &new).await?;
    let clause = "create over an expired record MUST leave nothing of it";
    trial.ensure_about(&id, &new.at(receipt.at), clause).await
}

pub(in crate::conformance) async fn create_after_delete_works(trial: Trial) -> Checked {
    let (id, _) = trial.begin(&trial.with(&[("old", "1")])).await?;
    trial.store.delete(&id).await?;
    let new = trial.with(&[("new", "2")]);
    let receipt = trial.create(&id, &new).await?;
    let clause = "create over a deleted record MUST leave nothing of it";
    trial.ensure_about(&id, &new.at(receipt.at), clause).await
}

pub(in crate::conformance) async fn two_concurrent_creates_have_one_winner(
    trial: Trial,
) -> Checked {
    for _ in 0..20 {
        let id = trial.id()?;
        creates_have_one_winner(&trial, id).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn concurrent_creates_over_an_expired_session_have_one_winner(
    trial: Trial,
) -> Checked {
    let mut ids = Vec::new();
    for _ in 0..10 {
        let id = trial.id()?;
        trial.create(&id, &trial.lasting(trial.short())).await?;
        ids.push(id);
    }
    trial.pass(5).await;
    for id in ids {
        creates_have_one_winner(&trial, id).await?;
    }
    Ok(())
}

async fn creates_have_one_winner(trial: &Trial, id: SessionId) -> Checked {
    let rivals = (0..8).map(|rival| {
        let trial = trial.clone();
        async move {
            let mut new = trial.blank();
            new.fields = [("rival", &*rival.to_string())].into_iter().collect();
            Ok((rival, trial.store.create(&id, new).await?))
        }
    });
    let answers = trial.together(rivals).await?;
    let winners: Vec<u32> = answers
        .iter()
        .filter(|(_, answer)| matches!(answer, Created::Created(_)))
        .map(|(rival, _)| *rival)
        .collect();
    let [winner] = winners[..] else {
        return Err(Failure::new(format!(
            "of concurrent creates of one id exactly one MUST win; {} did",
            winners.len()
        )));
    };
    for (_, answer) in answers {
        ensure_answer!(
            answer,
            Created::Created(_) | Created::Taken,
            "create MUST answer Taken to those that lose the race"
        );
    }
    let record = trial.record(&id).await?;
    ensure!(
        record.fields.get("rival") == Some(&*winner.to_string()),
        "the record of a race for an id MUST be that of the one who was told Created"
    );
    Ok(())
}

pub(in crate::conformance) async fn sessions_of_two_ids_are_strangers(trial: Trial) -> Checked {
    let (one, _) = trial.begin(&trial.with(&[("owner", "1")])).await?;
    let (two, before) = trial.begin(&trial.with(&[("owner", "2")])).await?;
    let record: Arc<_> = trial.record(&one).await?;
    trial.apply(&one, &trial.set(&record, "owner", "3")).await?;
    trial.touch(&one, &record, trial.short()).await?;
    let record = trial.record(&one).await?;
    trial.rotate(&one, &trial.id()?, &trial.change(&record)).await?;
    trial.store.delete(&one).await?;
    let clause = "what is done to one session MUST NOT show in another";
    trial.ensure_same(&two, &before, clause).await
}
