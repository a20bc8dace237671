//! The fields of a session: reading and writing them.

use std::borrow::Cow;

use compact_str::CompactString;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    FieldName, FieldOf, Session, State,
    json::{Text, decode, encode},
};
use crate::{Error, ErrorKind};

/// Names that begin so are tower-keep's own.
pub(super) const RESERVED: &str = "tower-keep.";

/// Fields.
impl Session {
    /// The value of a field; `None` if it is not set. Only this field is decoded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if the field holds a value of another type.
    pub fn get<T: DeserializeOwned>(&self, key: impl FieldOf<T>) -> Result<Option<T>, Error> {
        let name = key.as_name();
        let json = {
            let mut state = self.exchange.state();
            state.note_read(name);
            state.json(name).map(Text::of)
        };
        // Decoding runs code of the application, which must not find the state locked.
        json.map(|json| json.decode()).transpose()
    }

    /// Sets a field. The last commit wins; use [`Session::update`] for a value that depends on the
    /// one before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] if the value has no form in JSON, [`ErrorKind::TooLarge`] if it goes
    /// over a limit of the layer, [`ErrorKind::ReservedName`] for a name that begins with
    /// `tower-keep.`.
    pub fn insert<T: Serialize>(&self, key: impl FieldOf<T>, value: T) -> Result<(), Error> {
        let name = key.into_name();
        check_name(&name)?;
        let json = encode(&value)?;
        self.set(name, json)
    }

    /// Removes a field, if it is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ReservedName`] for a name that begins with `tower-keep.`.
    pub fn remove(&self, key: impl FieldName) -> Result<(), Error> {
        let name = key.into_name();
        check_name(&name)?;
        self.unset(name);
        Ok(())
    }

    /// Changes a field by a function, exactly: however many requests do so at once, each function is
    /// applied to the value that the one before left. A field that is not set begins with its
    /// type's default.
    ///
    /// Gives the value as this request sees it; the function is called again if others were faster,
    /// so it should do nothing but compute, and clone what it adds.
    ///
    /// ```
    /// # use tower_keep_core::{Error, Key, Session};
    /// const CART: Key<Vec<String>> = Key::new("cart");
    ///
    /// fn add(session: &Session, product: String) -> Result<usize, Error> {
    ///     let cart = session.update(CART, move |cart| cart.push(product.clone()))?;
    ///     Ok(cart.len())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Session::get`] and [`Session::insert`].
    pub fn update<T>(
        &self,
        key: impl FieldOf<T>,
        mut update: impl FnMut(&mut T) + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Default + Serialize + DeserializeOwned,
    {
        let name = key.into_name();
        check_name(&name)?;
        // The function runs without a lock, and again if another handle of this request was faster.
        loop {
            let (json, generation) = {
                let state = self.exchange.state();
                (state.json(&name).map(Text::of), state.draft.pending.generation())
            };
            let mut value: T = json.map(|json| json.decode()).transpose()?.unwrap_or_default();
            update(&mut value);
            let json = encode(&value)?;
            let mut state = self.exchange.state();
            if state.draft.pending.generation() != generation {
                continue;
            }
            self.check_size(&state, &name, &json)?;
            if state.draft.pending.determines(&name) {
                state.draft.pending.set(name, Some(json));
            } else {
                let again = move |json: Option<&str>| {
                    let mut value: T = json.map(decode).transpose()?.unwrap_or_default();
                    update(&mut value);
                    encode(&value)
                };
                state.draft.pending.update(name, Box::new(again), json);
            }
            return Ok(value);
        }
    }

    /// Whether a field is set.
    #[must_use]
    pub fn contains(&self, key: impl FieldName) -> bool {
        let mut state = self.exchange.state();
        state.note_read(key.as_name());
        state.json(key.as_name()).is_some()
    }

    /// The names of all fields that are set, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let state = self.exchange.state();
        let edits = state.draft.pending.edits();
        let stored = state.live.as_ref().filter(|_| !state.draft.pending.clears());
        let fields = stored.map(|live| live.record.fields.clone()).unwrap_or_default().with(edits);
        let own = fields.iter().map(|(name, _)| name).filter(|name| !name.starts_with(RESERVED));
        own.map(str::to_owned).collect()
    }

    /// Removes all fields. The session, its token and its user stay; [`Session::destroy`] ends them.
    pub fn clear(&self) {
        let mut state = self.exchange.state();
        if state.live.is_none() {
            // Nothing is stored, so nothing needs to be removed from the store.
            state.draft.pending.take();
        } else {
            state.draft.pending.clear();
        }
    }

    /// What this request sees in a field, be it one of tower-keep's own.
    pub(super) fn text_of(&self, name: &str) -> Option<Text> {
        self.exchange.state().json(name).map(Text::of)
    }

    pub(super) fn set(&self, name: Cow<'static, str>, json: CompactString) -> Result<(), Error> {
        let mut state = self.exchange.state();
        self.check_size(&state, &name, &json)?;
        state.draft.pending.set(name, Some(json));
        Ok(())
    }

    pub(super) fn unset(&self, name: Cow<'static, str>) {
        let mut state = self.exchange.state();
        let stored =
            state.live.as_ref().is_some_and(|live| live.record.fields.get(&name).is_some());
        // Removing what nobody set is no write.
        if stored || state.draft.pending.writes(&name) {
            state.draft.pending.set(name, None);
        }
    }

    fn check_size(&self, state: &State, name: &str, json: &str) -> Result<(), Error> {
        let limits = &self.exchange.manager().settings().limits;
        limits.check_field(name, json)?;
        let stored = state.live.as_ref().filter(|_| !state.draft.pending.clears());
        let fields = stored.map(|live| &live.record.fields);
        let written = state.draft.pending.edits();
        limits.check_record(fields, written.chain([(name, Some(json))]))
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.starts_with(RESERVED) {
        return Err(ErrorKind::ReservedName.into());
    }
    Ok(())
}
