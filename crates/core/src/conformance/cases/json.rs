//! Fields come back as they were given.

use crate::{
    Fields, Query, SessionId,
    conformance::{
        Capability,
        failure::{Checked, ensure},
        trial::Trial,
    },
};

const CLAUSE: &str = "fields MUST come back as they were given";

pub(in crate::conformance) async fn any_json_value_comes_back_character_for_character(
    trial: Trial,
) -> Checked {
    let values = [
        "null",
        "true",
        "false",
        "\"\"",
        "[]",
        "{}",
        "[[],{},null]",
        r#"{"b":1,"a":2}"#,
        r#"{"":{"":""}}"#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u00e9é\ud83c\udff0""#,
        r#""'; DROP TABLE sessions; --""#,
        r#""%_*?[a-z]{}$1 :name @p1 \\x00""#,
        "\"\u{1F3F0}\u{202e}\u{feff}\u{7f}\u{fffd}\"",
        r#""null""#,
        r#""1""#,
    ];
    let names: Vec<String> = (0..values.len()).map(|place| format!("field{place}")).collect();
    let fields = names.iter().map(String::as_str).zip(values);
    round_trip(&trial, fields.collect()).await
}

pub(in crate::conformance) async fn nul_in_strings_comes_back(trial: Trial) -> Checked {
    let fields = [
        ("only", r#""\u0000""#),
        ("inside", r#""a\u0000b""#),
        ("nested", r#"{"a\u0000":["\u0000\u0000"]}"#),
        ("spelled", r#""\\u0000""#),
    ];
    round_trip(&trial, fields.into_iter().collect()).await
}

pub(in crate::conformance) async fn numbers_keep_every_digit(trial: Trial) -> Checked {
    let fields = [
        ("above 2^53", "9007199254740993"),
        ("i64", "-9223372036854775808"),
        ("u64", "18446744073709551615"),
        ("u128", "340282366920938463463374607431768211455"),
        ("beyond", "1234567890123456789012345678901234567890123456789"),
        ("zero", "0"),
        ("negative zero", "-0.0"),
        ("fraction", "0.1"),
        ("trailing zero", "1.50"),
        ("many digits", "3.14159265358979323846264338327950288"),
        ("exponent", "1e2"),
        ("huge", "1E+400"),
        ("tiny", "5e-324"),
        ("nested", r#"[1.0,{"n":9007199254740993}]"#),
    ];
    round_trip(&trial, fields.into_iter().collect()).await
}

pub(in crate::conformance) async fn empty_name_is_a_name(trial: Trial) -> Checked {
    round_trip(&trial, [("", "1")].into_iter().collect()).await?;
    round_trip(&trial, [("", "\"\""), ("other", "2")].into_iter().collect()).await
}

pub(in crate::conformance) async fn any_name_comes_back(trial: Trial) -> Checked {
    let names = [
        "\0",
        "a\0b",
        " ",
        " leading",
        "trailing ",
        "Case",
        "case",
        "CASE",
        "é",
        "e\u{301}",
        "\u{1F3F0}",
        "\u{202e}\u{feff}",
        "__proto__",
        "constructor",
        "../x",
        "/etc/passwd",
        "a.b",
        "a[0]",
        "$.a",
        "a:b",
        "a=b&c=%00",
        "'; DROP TABLE sessions; --",
        "\"quoted\"",
        "back\\slash",
        "%_*?[a-z]{}",
        "$1",
        "line\r\nbreak",
        "id",
        "version",
        "fields",
        "user",
        "created_at",
        "expires_at",
        "null",
        "0",
    ];
    let long = "n".repeat(1_000);
    let values: Vec<String> = (0..=names.len()).map(|place| place.to_string()).collect();
    let fields = names.into_iter().chain([&*long]).zip(&values);
    let fields = fields.map(|(name, value)| (name, &**value));
    round_trip(&trial, fields.collect()).await
}

pub(in crate::conformance) async fn value_of_a_megabyte_comes_back(trial: Trial) -> Checked {
    let letters = format!("\"{}\"", "0123456789abcdef".repeat(65_536));
    let fields = [("small", "1"), ("large", &*letters)];
    round_trip(&trial, fields.into_iter().collect()).await
}

pub(in crate::conformance) async fn thousand_fields_come_back(trial: Trial) -> Checked {
    let fields: Vec<(String, String)> = (0..1_000)
        .map(|place| (format!("field {place}"), format!("[{place},\"{place}\"]")))
        .collect();
    let fields = fields.iter().map(|(name, json)| (&**name, &**json));
    round_trip(&trial, fields.collect()).await
}

pub(in crate::conformance) async fn deep_nesting_comes_back(trial: Trial) -> Checked {
    let lists = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let objects = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    let fields = [("lists", &*lists), ("objects", &*objects)];
    round_trip(&trial, fields.into_iter().collect()).await
}

/// Takes the fields through each way into the store and each way out of it.
async fn round_trip(trial: &Trial, fields: Fields) -> Checked {
    let mut new = trial.blank();
    new.fields = fields.clone();
    let (created, record) = trial.begin(&new).await?;
    ensure_fields(&record.fields, &fields, "create")?;

    // A touch and a change of something else leave them.
    trial.touch(&created, &record, trial.long()).await?;
    trial.apply(&created, &trial.set(&record, "one more", "1")).await?;
    let record = trial.record(&created).await?;
    let mut change = trial.change(&record);
    change.edits.remove("one more");
    trial.apply(&created, &change).await?;
    ensure_fields(&trial.record(&created).await?.fields, &fields, "a change of another field")?;

    // Set one by one, they join what is there.
    let (applied, record) = trial.begin(&trial.blank()).await?;
    let mut change = trial.change(&record);
    change.edits = fields.iter().map(|(name, json)| (name, Some(json))).collect();
    trial.apply(&applied, &change).await?;
    let record = trial.record(&applied).await?;
    ensure_fields(&record.fields, &fields, "apply")?;

    let rotated = trial.id()?;
    trial.rotate(&applied, &rotated, &trial.change(&record)).await?;
    let record = trial.record(&rotated).await?;
    ensure_fields(&record.fields, &fields, "rotate")?;
    ensure_listed(trial, &rotated, &fields).await?;

    // And removed one by one they are gone.
    let mut change = trial.change(&record);
    change.edits = fields.iter().map(|(name, _)| (name, None)).collect();
    trial.apply(&rotated, &change).await?;
    let left = trial.record(&rotated).await?;
    ensure_fields(&left.fields, &Fields::default(), "removal")
}

async fn ensure_listed(trial: &Trial, id: &SessionId, fields: &Fields) -> Checked {
    if !trial.declares(Capability::Index) {
        return Ok(());
    }
    let listed = trial.list(Query::from(trial.layer.clone())).await?;
    let found = listed.iter().find(|listed| listed.id == *id);
    ensure!(found.is_some(), "a live session MUST be listed");
    match found {
        Some(listed) => ensure_fields(&listed.record.fields, fields, "a listing"),
        None => Ok(()),
    }
}

fn ensure_fields(found: &Fields, given: &Fields, way: &str) -> Checked {
    for (name, json) in given.iter() {
        let back = found.get(name);
        ensure!(
            back == Some(json),
            "{CLAUSE}; after {way} the field {name:?} that was {} is {}",
            shortened(json),
            back.map_or("missing".into(), shortened)
        );
    }
    ensure!(
        found.len() == given.len(),
        "{CLAUSE}; after {way} there are {} of {} fields",
        found.len(),
        given.len()
    );
    Ok(())
}

/// The suite's own values are no secret, but some are long.
fn shortened(json: &str) -> String {
    json.chars().take(60).collect()
}
