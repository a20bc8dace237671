//! What the sessions must be after a serial order of commits: [`Model`].

use std::collections::BTreeMap;

use super::{Operation, updated};

/// Names a session by the order of its token's making.
pub type Key = usize;

/// A session of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Its fields.
    pub fields: BTreeMap<u8, u64>,
    /// Its user.
    pub user: Option<u8>,
}

/// What a client is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// A token.
    Token(Key),
    /// That its token is void.
    Forget,
}

/// The sessions after a serial order of commits, and what each request has not committed yet.
///
/// It knows nothing of versions, conflicts and retries: a commit takes the session as it is and does
/// the request's operations on it, one after another.
#[derive(Clone, Debug)]
pub struct Model {
    /// The live sessions.
    pub live: BTreeMap<Key, Session>,
    tokens: Key,
    requests: Vec<Request>,
}

#[derive(Clone, Debug)]
struct Request {
    session: Option<Key>,
    doomed: Option<Key>,
    pending: Vec<Operation>,
    user: Option<u8>,
    rotate: bool,
    gone: bool,
    told: Told,
}

impl Model {
    /// One session, number 0, that all requests have loaded.
    #[must_use]
    pub fn new(first: Session, requests: usize) -> Self {
        let request = Request {
            session: Some(0),
            doomed: None,
            pending: Vec::new(),
            user: None,
            rotate: false,
            gone: false,
            told: Told::Nothing,
        };
        Self { live: BTreeMap::from([(0, first)]), tokens: 1, requests: vec![request; requests] }
    }

    /// What a request's client is told with its response.
    #[must_use]
    pub fn told(&self, request: usize) -> Told {
        self.requests[request].told
    }

    /// A request does something. Removing what it does not see is nothing.
    pub fn act(&mut self, request: usize, operation: Operation, seen: bool) {
        let own = &mut self.requests[request];
        match operation {
            Operation::Get(_) | Operation::Save => {}
            Operation::Remove(_) if !seen => {}
            Operation::Insert(..) | Operation::Remove(_) | Operation::Update(..) => {
                own.pending.push(operation);
            }
            Operation::Clear if own.session.is_none() => own.pending.clear(),
            Operation::Clear => own.pending.push(operation),
            Operation::Rotate => own.rotate = own.session.is_some(),
            Operation::SetUser(user) => own.user = Some(user),
            Operation::Destroy => {
                own.doomed = own.session.take().or(own.doomed);
                own.pending.clear();
                own.user = None;
                own.rotate = false;
            }
        }
    }

    /// A request commits. Tells whether its session was still there, if that matters.
    pub fn commit(&mut self, request: usize) -> bool {
        let own = self.requests[request].clone();
        let mut next =
            Request { pending: Vec::new(), doomed: None, user: None, rotate: false, ..own };
        let writes = !own.pending.is_empty() || own.user.is_some();
        let new_token = own.rotate || own.user.is_some();
        let was_there = if own.gone {
            false
        } else if let Some(doomed) = own.doomed {
            let was_there = self.live.remove(&doomed).is_some();
            next.told = if was_there { Told::Forget } else { Told::Nothing };
            if writes && was_there {
                next.told = self.make(&mut next, Session::default(), &own);
            }
            was_there || !writes
        } else if let Some(key) = own.session {
            match self.live.remove(&key) {
                Some(session) if new_token => {
                    next.told = self.make(&mut next, session, &own);
                    true
                }
                Some(session) => {
                    self.live.insert(key, after(session, &own));
                    true
                }
                None => {
                    next.told = Told::Nothing;
                    false
                }
            }
        } else {
            if writes {
                next.told = self.make(&mut next, Session::default(), &own);
            }
            true
        };
        if !was_there {
            next.session = None;
            next.gone = true;
        }
        self.requests[request] = next;
        was_there
    }

    fn make(&mut self, next: &mut Request, session: Session, own: &Request) -> Told {
        let key = self.tokens;
        self.tokens += 1;
        self.live.insert(key, after(session, own));
        next.session = Some(key);
        Told::Token(key)
    }
}

fn after(mut session: Session, own: &Request) -> Session {
    for operation in &own.pending {
        match *operation {
            Operation::Insert(field, number) => {
                session.fields.insert(field, number);
            }
            Operation::Remove(field) => {
                session.fields.remove(&field);
            }
            Operation::Update(field, by) => {
                let number = session.fields.entry(field).or_default();
                *number = updated(*number, by);
            }
            Operation::Clear => session.fields.clear(),
            _ => {}
        }
    }
    session.user = own.user.or(session.user);
    session
}
