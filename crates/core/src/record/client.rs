//! What is known of the client of a session: [`Client`].

use std::{net::IpAddr, sync::Arc};

use http::HeaderValue;

/// The longest part of a `User-Agent` that is kept.
const MAX_AGENT_BYTES: usize = 256;

/// What is known of the client that a session was made for, so that users can tell their sessions
/// apart on a page of their devices.
///
/// Nothing is collected unless the layer is told how, since both facts are personal data.
///
/// ```
/// use tower_keep_core::Client;
///
/// let client = Client::new().with_address([127, 0, 0, 1].into()).with_agent("Firefox/145");
/// assert_eq!(client.agent(), Some("Firefox/145"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    // Behind one pointer, because most records have none.
    facts: Arc<Facts>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    address: Option<IpAddr>,
    agent: Option<Box<str>>,
}

impl Client {
    /// A client of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the address that the client connected from.
    #[must_use]
    pub fn with_address(mut self, address: IpAddr) -> Self {
        Arc::make_mut(&mut self.facts).address = Some(address);
        self
    }

    /// Adds the client's `User-Agent`, cut to its first 256 bytes.
    #[must_use]
    pub fn with_agent(mut self, agent: &str) -> Self {
        let longest = MAX_AGENT_BYTES.min(agent.len());
        let end = (0..=longest).rev().find(|end| agent.is_char_boundary(*end)).unwrap_or(0);
        Arc::make_mut(&mut self.facts).agent = Some(agent[..end].into());
        self
    }

    /// Adds the client's `User-Agent` from its header, if it is text.
    #[must_use]
    pub fn with_agent_header(self, agent: Option<&HeaderValue>) -> Self {
        match agent.and_then(|agent| agent.to_str().ok()) {
            Some(agent) => self.with_agent(agent),
            None => self,
        }
    }

    /// The address that the client connected from.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.facts.address
    }

    /// The client's `User-Agent`.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.facts.agent.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_agent_is_cut_between_characters() {
        let agent = "é".repeat(200);
        let client = Client::new().with_agent(&agent);
        assert_eq!(client.agent().map(str::len), Some(256));
        let client = Client::new().with_agent(&format!("x{agent}"));
        assert_eq!(client.agent().map(str::len), Some(255));
    }
}
