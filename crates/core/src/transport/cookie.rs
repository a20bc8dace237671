//! The cookie that carries a token: [`SessionCookie`].

use std::{borrow::Cow, time::Duration};

use ::cookie::{Cookie, CookieBuilder};

use super::Message;
use crate::Token;

/// Browsers cut `Max-Age` to this (RFC 6265bis, 5.5).
const LONGEST_LIFE: Duration = Duration::from_secs(400 * 86_400);

/// The longest `Domain` or `Path` that browsers take (RFC 6265bis, 5.6).
const MAX_ATTRIBUTE_BYTES: usize = 1_024;

/// The longest name and value together that browsers take (RFC 6265bis, 5.6).
const MAX_COOKIE_BYTES: usize = 4_096;

/// The cookie that carries a token.
///
/// The default is `__Host-id`: `Secure; HttpOnly; SameSite=Lax; Path=/` without a `Domain`, which
/// browsers take from this very host over TLS only, so that neither a neighbouring subdomain nor a
/// network attacker can plant one. `Lax` and not `Strict`, so that links from elsewhere find a user
/// signed in. Whatever a `__Host-` cookie cannot have is an error when the layer is built, until the
/// cookie is given another name.
///
/// ```
/// use tower_keep_core::{SameSite, SessionCookie};
///
/// let cookie = SessionCookie::default().same_site(SameSite::Strict);
/// let shared = SessionCookie::named("__Secure-id").domain("example.com");
/// ```
#[derive(Clone, Debug)]
pub struct SessionCookie {
    name: Cow<'static, str>,
    domain: Option<Cow<'static, str>>,
    path: Cow<'static, str>,
    same_site: SameSite,
    secure: bool,
    partitioned: bool,
    /// The line that sets the cookie, with room for a token; made anew by every setter.
    template: Vec<u8>,
}

/// Which requests from other sites carry the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None does.
    Strict,
    /// Links do, forms that post and embedded requests do not.
    Lax,
    /// All do. Protect changes from cross-site request forgery by other means.
    None,
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self::named("__Host-id")
    }
}

impl SessionCookie {
    /// The default cookie under another name.
    ///
    /// A name that begins with `__Host-` or `__Secure-` makes browsers insist on what these prefixes
    /// promise; one of another form drops that protection.
    #[must_use]
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            domain: None,
            path: Cow::Borrowed("/"),
            same_site: SameSite::Lax,
            secure: true,
            partitioned: false,
            template: Vec::new(),
        }
        .with_template()
    }

    /// Shares the cookie with all subdomains of a domain. Not for a `__Host-` cookie.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.domain = Some(domain.into());
        self.with_template()
    }

    /// Sends the cookie below a path only, `/` unless told. Not for a `__Host-` cookie.
    ///
    /// A path keeps no secret from other paths of the host.
    #[must_use]
    pub fn path(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.path = path.into();
        self.with_template()
    }

    /// Sets which requests from other sites carry the cookie, [`SameSite::Lax`] unless told.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self.with_template()
    }

    /// Keeps a cookie for each site that embeds this one (`Partitioned`, CHIPS).
    #[must_use]
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self.with_template()
    }

    /// Sends the cookie over plain HTTP too, where anybody on the way can read and replace it.
    ///
    /// For development and for networks that are trusted as a whole. Not for a `__Host-` or
    /// `__Secure-` cookie: give it another name.
    #[must_use]
    pub fn insecure_over_plain_http(mut self) -> Self {
        self.secure = false;
        self.with_template()
    }

    /// The name of the cookie.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes sure that browsers take the cookie, or says why they would not.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let host_only = has_prefix(&self.name, "__Host-");
        let domain = self.domain.as_deref();
        let is_domain_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let broken = [
            (
                self.name.is_empty() || !self.name.bytes().all(is_token_byte),
                "its name must be made of letters, digits and !#$%&'*+-.^_`|~",
            ),
            (
                self.name.len() + Token::LENGTH > MAX_COOKIE_BYTES,
                "its name and value must fit in 4096 bytes",
            ),
            (
                host_only && (domain.is_some() || self.path != "/"),
                "a `__Host-` cookie has no domain and the path `/`: \
                 name it `__Secure-…` to have others",
            ),
            (
                !self.secure && (host_only || has_prefix(&self.name, "__Secure-")),
                "a `__Host-` or `__Secure-` cookie is never insecure: \
                 name it without the prefix to send it over plain HTTP",
            ),
            (
                !self.secure && (self.same_site == SameSite::None || self.partitioned),
                "`SameSite=None` and `Partitioned` need a secure cookie",
            ),
            (
                domain.is_some_and(|domain| {
                    domain.is_empty()
                        || domain.len() > MAX_ATTRIBUTE_BYTES
                        || !domain.chars().all(is_domain_character)
                }),
                "its domain must be the name of a host",
            ),
            (
                !self.path.starts_with('/')
                    || self.path.len() > MAX_ATTRIBUTE_BYTES
                    || !self.path.bytes().all(|byte| matches!(byte, b' '..=b'~' if byte != b';')),
                "its path must begin with `/` and be printable ASCII without `;`",
            ),
        ];
        broken.into_iter().find_map(|(broken, why)| broken.then_some(Err(why))).unwrap_or(Ok(()))
    }

    /// The values of all cookies of this name in a line of the `Cookie` header.
    ///
    /// Names match byte for byte and nothing is decoded, so that no other name can be taken for this
    /// one (CVE-2020-8184, CVE-2023-23934); whatever else stands in the line is passed over.
    pub(crate) fn values_in<'a>(&'a self, line: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Some(line);
        let pairs = std::iter::from_fn(move || {
            let pair = rest?;
            let end = memchr::memchr(b';', pair);
            rest = end.map(|end| &pair[end + 1..]);
            Some(&pair[..end.unwrap_or(pair.len())])
        });
        pairs.filter_map(|pair| {
            let value = pair.trim_ascii_start().strip_prefix(self.name.as_bytes())?;
            Some(value.strip_prefix(b"=")?.trim_ascii_end())
        })
    }

    /// Whether a `Set-Cookie` line sets this cookie.
    pub(crate) fn is_set_by(&self, line: &[u8]) -> bool {
        let pair = line.split(|byte| *byte == b';').next().unwrap_or_default();
        self.values_in(pair).next().is_some()
    }

    /// The `Set-Cookie` line that tells a browser.
    pub(crate) fn line(&self, message: &Message) -> Vec<u8> {
        let value = self.name.len() + 1..self.name.len() + 1 + Token::LENGTH;
        match message {
            Message::Keep { token, at, expires_at, persistent } => {
                let mut life = String::new();
                if *persistent {
                    let seconds =
                        expires_at.since(*at).min(LONGEST_LIFE).as_millis().div_ceil(1_000);
                    life = format!("; Max-Age={seconds}");
                }
                // In one piece of just the right size, which the header's value takes over as it is.
                let mut line = Vec::with_capacity(self.template.len() + life.len());
                line.extend_from_slice(&self.template);
                line[value].copy_from_slice(token.as_bytes());
                line.extend_from_slice(life.as_bytes());
                line
            }
            Message::Forget => {
                // The same attributes as the cookie that it removes, or browsers keep that.
                let (name, attributes) =
                    (&self.template[..value.start], &self.template[value.end..]);
                [name, attributes, b"; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"].concat()
            }
        }
    }

    fn with_template(mut self) -> Self {
        let mut cookie: CookieBuilder<'_> = Cookie::build(("", ""))
            .path(&*self.path)
            .secure(self.secure)
            .http_only(true)
            .same_site(match self.same_site {
                SameSite::Strict => ::cookie::SameSite::Strict,
                SameSite::Lax => ::cookie::SameSite::Lax,
                SameSite::None => ::cookie::SameSite::None,
            })
            .partitioned(self.partitioned);
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(&**domain);
        }
        let text = cookie.build().to_string();
        let attributes = text.strip_prefix('=').unwrap_or(&text);
        let room = "-".repeat(Token::LENGTH);
        self.template = format!("{}={room}{attributes}", self.name).into_bytes();
        self
    }
}

/// Browsers compare the prefixes in any case.
fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A character of a token in HTTP (RFC 9110, 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxyzABC-_9";

    fn keep(persistent: bool, life: Duration) -> Message {
        let at = Timestamp::from_millis(5);
        Message::Keep { token: TOKEN.parse().unwrap(), at, expires_at: at + life, persistent }
    }

    fn line(cookie: &SessionCookie, message: &Message) -> String {
        String::from_utf8(cookie.line(message)).unwrap()
    }

    #[test]
    fn default_cookie_is_host_only_and_lasts_as_long_as_the_browser() {
        assert_eq!(
            line(&SessionCookie::default(), &keep(false, Duration::from_secs(60))),
            format!("__Host-id={TOKEN}; HttpOnly; SameSite=Lax; Secure; Path=/")
        );
    }

    #[test]
    fn removal_carries_the_attributes_of_the_cookie() {
        let cookie = SessionCookie::named("__Secure-id")
            .domain("example.com")
            .path("/app")
            .same_site(SameSite::None)
            .partitioned();
        let removal = line(&cookie, &Message::Forget);
        assert!(removal.starts_with("__Secure-id=; "));
        for part in [
            "Domain=example.com",
            "Path=/app",
            "Secure",
            "HttpOnly",
            "SameSite=None",
            "Partitioned",
        ] {
            assert!(removal.contains(part), "{removal}");
            assert!(line(&cookie, &keep(false, Duration::ZERO)).contains(part));
        }
        assert!(removal.contains("Max-Age=0"));
    }

    #[test]
    fn life_is_rounded_up_and_at_most_400_days() {
        let cookie = SessionCookie::default();
        for (life, seconds) in [
            (Duration::from_millis(1), 1),
            (Duration::from_secs(1_800), 1_800),
            (Duration::MAX, 400 * 86_400),
        ] {
            let line = line(&cookie, &keep(true, life));
            assert!(line.ends_with(&format!("; Max-Age={seconds}")), "{line}");
        }
    }

    #[test]
    fn cookies_that_browsers_refuse_are_refused() {
        let plain = || SessionCookie::named("id");
        for cookie in [
            SessionCookie::default().domain("example.com"),
            SessionCookie::default().path("/app"),
            SessionCookie::default().insecure_over_plain_http(),
            SessionCookie::named("__host-id").path("/app"),
            SessionCookie::named("__Secure-id").insecure_over_plain_http(),
            plain().same_site(SameSite::None).insecure_over_plain_http(),
            plain().partitioned().insecure_over_plain_http(),
            SessionCookie::named(""),
            SessionCookie::named("a b"),
            SessionCookie::named("a=b"),
            SessionCookie::named("a".repeat(4_096)),
            plain().domain("a;b"),
            plain().domain(""),
            plain().path("app"),
            plain().path("/a;b"),
            plain().path("/\r\nSet-Cookie: x=y"),
        ] {
            assert!(cookie.check().is_err(), "{cookie:?}");
        }
        for cookie in [
            SessionCookie::default(),
            plain(),
            plain().insecure_over_plain_http(),
            plain().domain("example.com").path("/app").same_site(SameSite::None).partitioned(),
        ] {
            assert_eq!(cookie.check(), Ok(()));
        }
    }

    #[test]
    fn only_the_exact_name_matches() {
        let cookie = SessionCookie::default();
        let values =
            |line: &'static str| -> Vec<&[u8]> { cookie.values_in(line.as_bytes()).collect() };
        assert_eq!(values("a=b; __Host-id=1;__Host-id=2 ; c"), [b"1", b"2"]);
        assert_eq!(values("__Host-id=\"1\""), [b"\"1\""]);
        assert_eq!(values("__Host-id==1"), [b"=1"]);
        for other in [
            "__host-id=1",
            "%5F%5FHost-id=1",
            "=__Host-id=1",
            "__Host-id =1",
            "__Host-id",
            "x__Host-id=1",
            "__Host-id2=1",
            "a=__Host-id=1",
        ] {
            assert!(values(other).is_empty(), "{other}");
        }
    }
}
