//! How a session is shown: [`Shown`].

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;
use tower_keep_core::{Record, SessionId, Timestamp};

use crate::text::{printable, printable_json};

/// A session as it is shown.
pub(crate) struct Shown<'a> {
    pub(crate) id: SessionId,
    pub(crate) record: &'a Record,
    /// Whether its data is shown.
    pub(crate) data: bool,
}

impl Shown<'_> {
    /// The cells of its line in a list, as [`TITLES`] names them.
    pub(crate) fn cells(&self, full: bool) -> [String; 7] {
        let Record { layer, user, created_at, last_active, expires_at, fields, .. } = self.record;
        [
            shown_id(&self.id, full),
            printable(layer.as_str()),
            user.as_ref().map_or("-".into(), |user| printable(user.as_str())),
            shown_time(*created_at),
            shown_time(*last_active),
            shown_time(*expires_at),
            fields.bytes().to_string(),
        ]
    }

    /// Its facts, one a line.
    pub(crate) fn facts(&self, full: bool) -> Vec<String> {
        let [id, layer, user, began, used, expires, bytes] = self.cells(full);
        let record = self.record;
        let mut facts = vec![
            format!("id         {id}"),
            format!("layer      {layer}"),
            format!("user       {user}"),
            format!("began      {began}"),
            format!("last used  {used}"),
            format!("expires    {expires}"),
            format!("remembered {}", if record.remember { "yes" } else { "no" }),
            format!("version    {}", record.version),
            format!("fields     {}, {bytes} bytes", record.fields.len()),
        ];
        if let Some(client) = &record.client {
            facts.extend(client.address().map(|address| format!("address    {address}")));
            facts.extend(client.agent().map(|agent| format!("agent      {}", printable(agent))));
        }
        facts.extend(self.data_lines());
        facts
    }

    /// Its data, one field a line, if it is shown.
    pub(crate) fn data_lines(&self) -> impl Iterator<Item = String> {
        let fields = self.data.then(|| self.record.fields.iter()).into_iter().flatten();
        fields.map(|(name, json)| format!("  {} = {}", printable(name), printable_json(json)))
    }
}

/// What the cells of a list are.
pub(crate) const TITLES: [&str; 7] =
    ["ID", "LAYER", "USER", "BEGAN", "LAST USED", "EXPIRES", "BYTES"];

/// Lines of cells under each other, a column as wide as its widest cell.
pub(crate) fn aligned<const N: usize>(
    rows: &[[String; N]],
    widths: &mut [usize; N],
) -> Vec<String> {
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&*widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

pub(crate) fn shown_id(id: &SessionId, full: bool) -> String {
    if full { id.to_string() } else { id.short().to_string() }
}

/// To the second, which is enough for people.
pub(crate) fn shown_time(time: Timestamp) -> String {
    if time == Timestamp::MAX {
        return "never".into();
    }
    Timestamp::from_millis(time.as_millis().div_euclid(1_000).saturating_mul(1_000)).to_string()
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id.to_string())?;
        map.serialize_entry("layer", record.layer.as_str())?;
        map.serialize_entry("user", &record.user.as_ref().map(|user| user.as_str()))?;
        map.serialize_entry("began_at", &json_time(record.created_at))?;
        map.serialize_entry("last_used_at", &json_time(record.last_active))?;
        map.serialize_entry("expires_at", &json_time(record.expires_at))?;
        map.serialize_entry("remembered", &record.remember)?;
        map.serialize_entry("version", &record.version)?;
        map.serialize_entry("fields", &record.fields.len())?;
        map.serialize_entry("bytes", &record.fields.bytes())?;
        if let Some(client) = &record.client {
            map.serialize_entry("address", &client.address().map(|address| address.to_string()))?;
            map.serialize_entry("agent", &client.agent())?;
        }
        if self.data {
            map.serialize_entry("data", &Data(record))?;
        }
        map.end()
    }
}

/// A time as JSON: RFC 3339, `null` for never.
pub(crate) fn json_time(time: Timestamp) -> Option<String> {
    (time != Timestamp::MAX).then(|| time.to_string())
}

/// The fields with their values as they are kept, so that big integers survive.
struct Data<'a>(&'a Record);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, json) in self.0.fields.iter() {
            match serde_json::from_str::<&RawValue>(json) {
                Ok(value) => map.serialize_entry(name, value)?,
                // Damaged, or deeper than a parser takes: as text.
                Err(_) => map.serialize_entry(name, json)?,
            }
        }
        map.end()
    }
}
