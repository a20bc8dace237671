//! Ids and layers are kept byte for byte.

use crate::{
    SessionId,
    conformance::{
        failure::{Checked, ensure},
        trial::Trial,
    },
};

pub(in crate::conformance) async fn ids_of_any_bytes_work(trial: Trial) -> Checked {
    let patterns: [&[u8]; 20] = [
        &[0x00],
        &[0xff],
        // No text is any of these, nor does lossy text tell them apart.
        &[0xfe],
        &[0x80],
        &[0x7f],
        b"*",
        b"?",
        b"%",
        b"_",
        b"[a-z]",
        b"../",
        b"'; --",
        b"\\\"`$",
        b"\r\n\t ",
        b"{}:",
        b"\xc3\x28\xf0\x9f",
        b"0123456789abcdef",
        b"0123456789ABCDEF",
        // Padding that a column or a pattern may trim.
        b"0123456789abcdef0123456789abcde\0",
        b"0123456789abcdef0123456789abcde ",
    ];
    let ids = patterns.map(filled);
    let mut sessions = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        let mut new = trial.blank();
        new.fields = [("place", &*place.to_string())].into_iter().collect();
        trial.create(id, &new).await?;
        sessions.push(place);
    }
    for (id, place) in ids.iter().zip(&sessions) {
        let record = trial.record(id).await?;
        ensure!(
            record.fields.get("place") == Some(&*place.to_string()),
            "any bytes MUST make an id; {id:?} holds another's session"
        );
        trial.apply(id, &trial.set(&record, "more", "1")).await?;
        trial.touch(id, &record, trial.long()).await?;
    }
    // What one id is done must not meet the others, as it would if it were a pattern.
    for (place, id) in ids.iter().enumerate() {
        let new = trial.id()?;
        let record = trial.record(id).await?;
        trial.rotate(id, &new, &trial.change(&record)).await?;
        trial.ensure_absent(id, "rotate MUST end the old id").await?;
        ensure!(trial.store.delete(&new).await?, "delete MUST find a live session");
        for rest in &ids[place + 1..] {
            trial.record(rest).await?;
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn ids_that_differ_in_one_bit_are_strangers(
    trial: Trial,
) -> Checked {
    let first = *trial.id()?.as_bytes();
    trial.create(&SessionId::from_bytes(first), &trial.blank()).await?;
    for place in [0, 1, 7, 8, 15, 16, 20, 24, 30, 31] {
        let mut bytes = first;
        bytes[place] ^= 1;
        let clause = "all 32 bytes of an id MUST count";
        trial.ensure_absent(&SessionId::from_bytes(bytes), clause).await?;
        trial.create(&SessionId::from_bytes(bytes), &trial.blank()).await?;
        trial.store.delete(&SessionId::from_bytes(bytes)).await?;
    }
    trial.record(&SessionId::from_bytes(first)).await.map(drop)
}

pub(in crate::conformance) async fn layer_of_a_record_is_kept(trial: Trial) -> Checked {
    for layer in ["shop", "Shop", "shop ", "sh\u{f6}p", "../shop", "sh*p:%_'"] {
        let mut new = trial.blank();
        new.layer = layer.into();
        let (id, record) = trial.begin(&new).await?;
        let rotated = trial.id()?;
        trial.touch(&id, &record, trial.long()).await?;
        trial.apply(&id, &trial.set(&record, "a", "1")).await?;
        let record = trial.record(&id).await?;
        trial.rotate(&id, &rotated, &trial.change(&record)).await?;
        let rotated = trial.record(&rotated).await?;
        for (record, after) in [(record, "apply"), (rotated, "rotate")] {
            ensure!(
                record.layer.as_str() == layer,
                "a record's layer MUST be kept; after {after} {layer:?} is {:?}",
                record.layer.as_str()
            );
        }
    }
    Ok(())
}

/// An id that repeats a pattern.
fn filled(pattern: &[u8]) -> SessionId {
    let mut bytes = [0; 32];
    for (byte, pattern) in bytes.iter_mut().zip(pattern.iter().cycle()) {
        *byte = *pattern;
    }
    SessionId::from_bytes(bytes)
}
