//! How a token travels between client and server: [`Transport`].

mod cookie;

pub use cookie::{SameSite, SessionCookie};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE, SET_COOKIE},
};
use smallvec::SmallVec;

use crate::{Timestamp, Token};

/// How many tokens of one transport are looked up at most, so that a client cannot make a request
/// expensive.
const MAX_CANDIDATES: usize = 4;

/// The tokens that a client sent by one transport, each once.
#[derive(Debug, Default)]
pub(crate) struct Candidates(SmallVec<[Token; MAX_CANDIDATES]>);

impl Candidates {
    pub(crate) fn of(token: Token) -> Self {
        Self(SmallVec::from_slice(&[token]))
    }

    /// Keeps a token, once and up to the limit.
    pub(crate) fn add(&mut self, token: Token) {
        if self.0.len() < MAX_CANDIDATES
            && !self.iter().any(|other| other.expose() == token.expose())
        {
            self.0.push(token);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }
}

/// A way for a token to come and go: a cookie, a header, a bearer token or gRPC metadata.
///
/// A layer has one or more; they are asked in order, and the token goes back the way it came.
///
/// ```
/// use tower_keep_core::{SessionCookie, Transport};
///
/// let for_browsers = Transport::cookie(SessionCookie::default());
/// let for_apps = Transport::bearer();
/// let for_grpc = Transport::header("session-token".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Transport(Carrier);

#[derive(Clone, Debug)]
enum Carrier {
    Bearer,
    Cookie(Box<SessionCookie>),
    Header(HeaderName),
}

/// What the client is told at the end of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message {
    /// The token to use from now on, the time now, and when its session expires; as a cookie that
    /// outlives the browser, or not.
    Keep { token: Token, at: Timestamp, expires_at: Timestamp, persistent: bool },
    /// The token is void.
    Forget,
}

impl Transport {
    /// A cookie (RFC 6265bis).
    #[must_use]
    pub fn cookie(cookie: SessionCookie) -> Self {
        Self(Carrier::Cookie(Box::new(cookie)))
    }

    /// A header of the request, and of the response. gRPC calls its headers metadata, so this is
    /// the transport of gRPC as well. An empty one in a response says that the token is void.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self(Carrier::Header(name))
    }

    /// `Authorization: Bearer` (RFC 6750). A new token is sent in a response header of the same
    /// form; an empty header says that the token is void.
    #[must_use]
    pub fn bearer() -> Self {
        Self(Carrier::Bearer)
    }

    /// The request header in which the token comes, which a cache must tell apart (`Vary`).
    pub(crate) fn request_header(&self) -> HeaderName {
        match &self.0 {
            Carrier::Bearer => AUTHORIZATION,
            Carrier::Cookie(_) => COOKIE,
            Carrier::Header(name) => name.clone(),
        }
    }

    /// The name that sessions of this transport are bound to, unless the layer has one of its own.
    pub(crate) fn name(&self) -> &str {
        match &self.0 {
            Carrier::Bearer => "bearer",
            Carrier::Cookie(cookie) => cookie.name(),
            Carrier::Header(name) => name.as_str(),
        }
    }

    /// Makes sure that clients will take what this transport sends, or says why they would not.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match &self.0 {
            Carrier::Cookie(cookie) => cookie.check(),
            Carrier::Bearer | Carrier::Header(_) => Ok(()),
        }
    }

    /// Whether both look in the same place.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.request_header() == other.request_header() && self.name() == other.name()
    }

    /// Finds what has the form of a token in a line of the request header.
    pub(crate) fn find(&self, line: &HeaderValue, found: impl FnMut(Token)) {
        let line = line.as_bytes();
        match &self.0 {
            Carrier::Bearer => Token::from_bytes(bearer(line)).into_iter().for_each(found),
            Carrier::Cookie(cookie) => {
                cookie.values_in(line).filter_map(Token::from_bytes).for_each(found);
            }
            Carrier::Header(_) => Token::from_bytes(line).into_iter().for_each(found),
        }
    }

    /// Tells the client by the response's headers.
    pub(crate) fn send(&self, message: &Message, headers: &mut HeaderMap) {
        match &self.0 {
            Carrier::Bearer => {
                let value = match message {
                    Message::Keep { token, .. } => format!("Bearer {}", token.expose()),
                    Message::Forget => String::new(),
                };
                insert(headers, AUTHORIZATION, value);
            }
            Carrier::Cookie(cookie) => {
                if let Some(line) = secret(cookie.line(message)) {
                    // That there are others is told by adding it, without another look.
                    if headers.append(SET_COOKIE, line) {
                        keep_last_line_of(cookie, headers);
                    }
                }
            }
            Carrier::Header(name) => {
                let value = match message {
                    Message::Keep { token, .. } => token.expose().to_owned(),
                    Message::Forget => String::new(),
                };
                insert(headers, name.clone(), value);
            }
        }
    }
}

/// Takes out what the handler set by the name of the session cookie, whose own line is the last: a
/// response has one line of each name (RFC 6265bis, 4.1.1).
fn keep_last_line_of(cookie: &SessionCookie, headers: &mut HeaderMap) {
    let mut lines: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    let (own, all) = (lines.pop(), lines.len());
    lines.retain(|line| !cookie.is_set_by(line.as_bytes()));
    if lines.len() < all {
        lines.extend(own);
        headers.remove(SET_COOKIE);
        headers.extend(lines.into_iter().map(|line| (SET_COOKIE, line)));
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Some(value) = secret(value) {
        headers.insert(name, value);
    }
}

/// A value that no log of headers prints. Its characters were checked when the layer was built.
fn secret(value: impl Into<Vec<u8>>) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value.into()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The token of `Bearer TOKEN`, the scheme in any case (RFC 9110, 11.1), else nothing.
fn bearer(line: &[u8]) -> &[u8] {
    match line.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxyzABC-_9";

    fn found(transport: &Transport, lines: &[&[u8]]) -> Vec<String> {
        let mut candidates = Candidates::default();
        for line in lines {
            transport.find(&HeaderValue::from_bytes(line).unwrap(), |token| candidates.add(token));
        }
        candidates.iter().map(|token| token.expose().to_owned()).collect()
    }

    #[test]
    fn bearer_takes_its_scheme_in_any_case_and_no_other() {
        let bearer = Transport::bearer();
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(found(&bearer, &[format!("{scheme} {TOKEN}").as_bytes()]), [TOKEN]);
        }
        for line in ["", "Bearer", "Bearer ", TOKEN, &format!("Basic {TOKEN}"), "Bearer\u{e9}é"] {
            assert!(found(&bearer, &[line.as_bytes()]).is_empty(), "{line}");
        }
    }

    #[test]
    fn at_most_four_different_tokens_are_looked_at() {
        let header = Transport::header(HeaderName::from_static("session"));
        let tokens: Vec<String> = (0..9).map(|n| TOKEN.replace('9', &n.to_string())).collect();
        let lines: Vec<&[u8]> =
            tokens.iter().flat_map(|token| [token.as_bytes(), token.as_bytes()]).collect();
        assert_eq!(found(&header, &lines), tokens[..4]);
    }

    #[test]
    fn sent_values_are_marked_sensitive() {
        let token: Token = TOKEN.parse().unwrap();
        let now = Timestamp::from_millis(0);
        let message = Message::Keep { token, at: now, expires_at: now, persistent: false };
        for transport in [
            Transport::bearer(),
            Transport::header(HeaderName::from_static("session")),
            Transport::cookie(SessionCookie::default()),
        ] {
            let mut headers = HeaderMap::new();
            transport.send(&message, &mut headers);
            assert_eq!(headers.len(), 1);
            assert!(!format!("{headers:?}").contains(TOKEN));
        }
    }
}
