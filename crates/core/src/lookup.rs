//! From the headers of a request to its session: [`find`].

use crate::{
    Error, Loaded, SessionId, StoreError, StoreErrorKind, Token,
    layer::Manager,
    session::{Live, Presented, State},
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
    let found = match Sent::by(manager, presented) {
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

/// As [`find`], where the store answers at once and the client sent one token at most. What is found
/// goes where it stays, since it is large for a result.
#[inline]
pub(crate) fn find_at_once(
    manager: &Manager,
    presented: &Presented,
    state: &mut State,
) -> Option<Result<(), Error>> {
    if !manager.answers_at_once() {
        return None;
    }
    match Sent::by(manager, presented) {
        Sent::Nothing => Some(Ok(())),
        Sent::One(transport, token) => {
            let id = token.id();
            let answer = manager.store().load(&id).into_ready()?;
            let outcome = opened(manager, &id, answer).map(|loaded| {
                if loaded.is_none() {
                    manager.events().unknown_token();
                }
                state.live = loaded.map(|loaded| Live::new(id, token, loaded));
                state.transport = transport;
            });
            Some(outcome)
        }
        Sent::Several(_) => None,
    }
}

impl Sent {
    fn by(manager: &Manager, presented: &Presented) -> Self {
        let mut sent = Self::Nothing;
        // They are in the order of their transports.
        for (number, line) in presented {
            let number = usize::from(*number);
            if let Some(transport) = manager.settings().transports.get(number) {
                transport.find(line, |token| sent.add(number, token));
            }
        }
        sent
    }

    fn add(&mut self, number: usize, token: Token) {
        match self {
            Self::Nothing => *self = Self::One(number, token),
            Self::One(first, other) => {
                let mut tokens = vec![(*first, Candidates::of(*other))];
                add(&mut tokens, number, token);
                *self = Self::Several(tokens);
            }
            Self::Several(tokens) => add(tokens, number, token),
        }
    }
}

fn add(tokens: &mut Vec<(usize, Candidates)>, number: usize, token: Token) {
    match tokens.last_mut() {
        Some((last, candidates)) if *last == number => candidates.add(token),
        _ => tokens.push((number, Candidates::of(token))),
    }
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

/// The one live session among the candidates.
async fn only_live(manager: &Manager, candidates: &Candidates) -> Result<Option<Live>, Error> {
    let mut only = None;
    for token in candidates.iter() {
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
    let answer = manager.store().load(&id).within(manager.settings().store_timeout).await;
    let loaded = opened(manager, &id, answer)?;
    Ok(loaded.map(|loaded| Live::new(id, token, loaded)))
}

/// What the store's answer says of a session.
fn opened(
    manager: &Manager,
    id: &SessionId,
    answer: Result<Option<Loaded>, StoreError>,
) -> Result<Option<Loaded>, Error> {
    match answer {
        Ok(loaded) => Ok(loaded.filter(|loaded| manager.accepts(loaded))),
        // One damaged record is not an outage: its user begins anew under another id, and it stays
        // for whoever repairs the store.
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            manager.events().corrupt(id, &error);
            Ok(None)
        }
        Err(error) => {
            manager.events().outage("load", &error);
            Err(error.into())
        }
    }
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
