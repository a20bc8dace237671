//! From the headers of a request to its session: [`find`].

use http::HeaderValue;

use crate::{
    Error, Loaded, StoreErrorKind, Token,
    layer::Manager,
    session::{Live, Presented},
    store::within,
    transport::Candidates,
};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) live: Option<Live>,
    /// The transport that the client uses: of its live token, else of any it sent, else the first.
    pub(crate) transport: usize,
}

/// The tokens that a client sent.
enum Sent {
    Nothing,
    /// One token, as nearly every client sends; by the transport of this number.
    One(usize, Token),
    /// Those of each transport that has any.
    Several(Vec<(usize, Candidates)>),
}

/// Asks the transports in order for a token that leads to a live session.
///
/// A token that the store does not know is never adopted. Of several tokens by one transport one
/// counts only if it alone leads to a live session, so that the order of cookies decides nothing.
pub(crate) async fn find(manager: &Manager, presented: &Presented) -> Result<Found, Error> {
    let found = match sent(manager, presented) {
        Sent::Nothing => return Ok(Found::default()),
        Sent::One(transport, token) => Found { live: open(manager, token).await?, transport },
        // In a box, so that requests with one token do not carry its size.
        Sent::Several(tokens) => Box::pin(find_among(manager, tokens)).await?,
    };
    if found.live.is_none() {
        manager.events().unknown_token();
    }
    Ok(found)
}

fn sent(manager: &Manager, presented: &Presented) -> Sent {
    let mut sent = Sent::Nothing;
    for (number, transport) in manager.settings().transports.iter().enumerate() {
        let candidates = transport.find(lines_of(presented, number));
        sent = match (sent, &*candidates) {
            (sent, []) => sent,
            (Sent::Nothing, [token]) => Sent::One(number, *token),
            (Sent::Nothing, _) => Sent::Several(vec![(number, candidates)]),
            (Sent::One(first, token), _) => {
                Sent::Several(vec![(first, Candidates::from_slice(&[token])), (number, candidates)])
            }
            (Sent::Several(mut tokens), _) => {
                tokens.push((number, candidates));
                Sent::Several(tokens)
            }
        };
    }
    sent
}

/// The one live session of the first transport that has one.
async fn find_among(manager: &Manager, tokens: Vec<(usize, Candidates)>) -> Result<Found, Error> {
    let first = tokens.first().map_or(0, |(transport, _)| *transport);
    for (transport, candidates) in tokens {
        if let Some(live) = only_live(manager, &candidates).await? {
            return Ok(Found { live: Some(live), transport });
        }
    }
    Ok(Found { live: None, transport: first })
}

fn lines_of(presented: &Presented, number: usize) -> impl Iterator<Item = &HeaderValue> {
    presented
        .iter()
        .filter(move |(transport, _)| usize::from(*transport) == number)
        .map(|(_, line)| line)
}

/// The one live session among the candidates.
async fn only_live(manager: &Manager, candidates: &Candidates) -> Result<Option<Live>, Error> {
    let mut only = None;
    for token in candidates {
        let Some(live) = open(manager, *token).await? else {
            continue;
        };
        if only.replace(live).is_some() {
            manager.events().ambiguous();
            return Ok(None);
        }
    }
    Ok(only)
}

/// Loads the session that a token opens.
pub(crate) async fn open(manager: &Manager, token: Token) -> Result<Option<Live>, Error> {
    let id = token.id();
    let loaded = match within(manager.settings().store_timeout, manager.store().load(&id)).await {
        Ok(loaded) => loaded,
        // One damaged record is not an outage: its user begins anew under another id, and it stays
        // for whoever repairs the store.
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            manager.events().corrupt(&id, &error);
            None
        }
        Err(error) => {
            manager.events().outage("load", &error);
            return Err(error.into());
        }
    };
    Ok(loaded.filter(|loaded| manager.accepts(loaded)).map(|loaded| Live::new(id, token, loaded)))
}

impl Manager {
    /// Whether a record is of this layer, and live by the layer's lifetimes as they are now.
    pub(crate) fn accepts(&self, Loaded { record, at }: &Loaded) -> bool {
        let lifetime = self.settings().lifetime(record.remember);
        record.layer.is(&self.settings().name)
            && *at < lifetime.expires_at(record.created_at, record.last_active)
            && !record.is_expired(*at)
    }
}
