//! Values for the next read: flash.

use serde::{Serialize, de::DeserializeOwned};

use super::{FieldOf, Session, access::RESERVED, json::encode};
use crate::Error;

impl Session {
    /// Keeps a value for the next read, in this request or a later one, such as a notice that is to
    /// be shown after a redirect.
    ///
    /// Flash values have names of their own, apart from those of fields.
    ///
    /// # Errors
    ///
    /// Those of [`Session::insert`].
    ///
    /// ```
    /// # use tower_keep_core::{Error, Key, Session};
    /// const NOTICE: Key<String> = Key::new("notice");
    ///
    /// async fn save(session: Session) -> Result<(), Error> {
    ///     session.flash(NOTICE, "Saved.".to_owned())
    /// }
    ///
    /// async fn home(session: Session) -> Result<String, Error> {
    ///     Ok(session.take_flash(NOTICE)?.unwrap_or_default())
    /// }
    /// ```
    pub fn flash<T: Serialize>(&self, key: impl FieldOf<T>, value: T) -> Result<(), Error> {
        self.set(flash_name(key.as_name()).into(), encode(&value)?)
    }

    /// Takes a flash value: it is read once.
    ///
    /// # Errors
    ///
    /// Those of [`Session::get`]. A value of another type stays.
    pub fn take_flash<T: DeserializeOwned>(
        &self,
        key: impl FieldOf<T>,
    ) -> Result<Option<T>, Error> {
        let name = flash_name(key.as_name());
        let value = self.text_of(&name).map(|json| json.decode()).transpose()?;
        if value.is_some() {
            self.unset(name.into());
        }
        Ok(value)
    }
}

fn flash_name(name: &str) -> String {
    format!("{RESERVED}flash.{name}")
}
